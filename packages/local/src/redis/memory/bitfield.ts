import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { bitOffset, bufferOf } from './bits.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { integer, narrow } from './numbers.ts'

type Overflow = 'WRAP' | 'SAT' | 'FAIL'
type Field = { readonly signed: boolean; readonly bits: number; readonly offset: number }
type Operation =
  | { readonly kind: 'get'; readonly field: Field }
  | {
      readonly kind: 'set' | 'incrby'
      readonly field: Field
      readonly value: bigint
      readonly overflow: Overflow
    }

const typePattern = /^([iu])([1-9]\d?)$/

function fieldOf(type: Bytes, offset: Bytes): Field {
  const match = typePattern.exec(type)
  const signed = match?.[1] === 'i'
  const bits = Number(match?.[2] ?? 0)
  if (bits < 1 || bits > (signed ? 64 : 63)) {
    throw new ReplyError(
      'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
    )
  }
  return { signed, bits, offset: bitOffset(offset, bits) }
}

function overflowOf(name: string): Overflow {
  if (name === 'WRAP' || name === 'SAT' || name === 'FAIL') return name
  throw new ReplyError('ERR Invalid OVERFLOW type specified')
}

function parse(argv: Argv): Operation[] {
  const operations: Operation[] = []
  let overflow: Overflow = 'WRAP'
  for (let at = 2; at < argv.length;) {
    const name = option(argv, at)
    const left = argv.length - at - 1
    if (name === 'OVERFLOW' && left >= 1) {
      overflow = overflowOf(option(argv, at + 1))
      at += 2
    } else if (name === 'GET' && left >= 2) {
      operations.push({ kind: 'get', field: fieldOf(word(argv, at + 1), word(argv, at + 2)) })
      at += 3
    } else if ((name === 'SET' || name === 'INCRBY') && left >= 3) {
      const field = fieldOf(word(argv, at + 1), word(argv, at + 2))
      const value = BigInt(integer(word(argv, at + 3)))
      operations.push({ kind: name === 'SET' ? 'set' : 'incrby', field, value, overflow })
      at += 4
    } else throw syntaxError()
  }
  return operations
}

function readField(buffer: Buffer, { signed, bits, offset }: Field): bigint {
  const first = Math.floor(offset / 8)
  const last = Math.floor((offset + bits - 1) / 8)
  let value = 0n
  for (let at = first; at <= last; at++) value = (value << 8n) | BigInt(buffer[at] ?? 0)
  value >>= BigInt((last + 1) * 8 - offset - bits)
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
}

function writeField(buffer: Buffer, { bits, offset }: Field, value: bigint): void {
  const last = Math.floor((offset + bits - 1) / 8)
  const shift = BigInt((last + 1) * 8 - offset - bits)
  let mask = ((1n << BigInt(bits)) - 1n) << shift
  let shifted = BigInt.asUintN(bits, value) << shift
  for (let at = last; mask > 0n; at--) {
    const byteMask = Number(mask & 255n)
    buffer[at] = ((buffer[at] ?? 0) & ~byteMask) | Number(shifted & 255n)
    mask >>= 8n
    shifted >>= 8n
  }
}

/** A value and what is added to it; SET adds nothing. */
type Sum = { readonly value: bigint; readonly step: bigint }

/** Where the sum leaves the range, decided in 64 bits as Redis does, with its wraparound at the far ends. */
function overflowAt({ value, step }: Sum, { signed, bits }: Field): 'above' | 'below' | undefined {
  const { most, least } = rangeOf(signed, bits)
  const room = BigInt.asIntN(64, most - value)
  const depth = BigInt.asIntN(64, least - value)
  if (!signed) {
    if (value > most || (step > 0n && step > room)) return 'above'
    return step < 0n && step < depth ? 'below' : undefined
  }
  const narrowField = bits !== 64
  if (value > most || (narrowField && step > room)) return 'above'
  if (value >= 0n && step > 0n && step > room) return 'above'
  if (value < least || (narrowField && step < depth)) return 'below'
  return value < 0n && step < 0n && step < depth ? 'below' : undefined
}

function rangeOf(signed: boolean, bits: number): { readonly most: bigint; readonly least: bigint } {
  const size = 1n << BigInt(signed ? bits - 1 : bits)
  return { most: size - 1n, least: signed ? -size : 0n }
}

/** The sum brought into the field's range, or undefined where OVERFLOW FAIL forbids it. */
function fitted(sum: Sum, field: Field, overflow: Overflow): bigint | undefined {
  const { signed, bits } = field
  const where = overflowAt(sum, field)
  const total = sum.value + sum.step
  if (where === undefined) return total
  if (overflow === 'FAIL') return undefined
  const { most, least } = rangeOf(signed, bits)
  if (overflow === 'SAT') return where === 'above' ? most : least
  return signed ? BigInt.asIntN(bits, total) : BigInt.asUintN(bits, total)
}

function apply(buffer: Buffer, operation: Operation): Reply {
  const before = readField(buffer, operation.field)
  if (operation.kind === 'get') return narrow(before)
  const { kind, field, value, overflow } = operation
  // Redis holds the value of an unsigned SET in an unsigned word: a negative one is far above the range.
  const set = field.signed ? value : BigInt.asUintN(64, value)
  const sum = kind === 'set' ? { value: set, step: 0n } : { value: before, step: value }
  const after = fitted(sum, field, overflow)
  if (after === undefined) return null
  writeField(buffer, field, after)
  return narrow(kind === 'set' ? before : after)
}

function bitfield(context: Context, argv: Argv): Reply {
  const operations = parse(argv)
  const key = word(argv, 1)
  const written = operations.filter(({ kind }) => kind !== 'get')
  const before = context.keys.find(key, 'string')?.bytes ?? ''
  const size = Math.max(
    0,
    ...written.map(({ field }) => Math.floor((field.offset + field.bits - 1) / 8) + 1),
  )
  const buffer = bufferOf(before, size)
  const replies = operations.map((operation) => apply(buffer, operation))
  if (written.length > 0) {
    context.keys.set(key, { type: 'string', bytes: buffer.toString('latin1') })
    context.log(argv)
  }
  return replies
}

function readOnlyBitfield(context: Context, argv: Argv): Reply {
  if (parse(argv).some(({ kind }) => kind !== 'get')) {
    throw new ReplyError('ERR BITFIELD_RO only supports the GET subcommand')
  }
  return bitfield(context, argv)
}

export const bitfields: Readonly<Record<string, Command>> = {
  BITFIELD: writes(-2, bitfield),
  BITFIELD_RO: reads(-2, readOnlyBitfield),
}
