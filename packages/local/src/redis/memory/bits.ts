import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, reads, span, word, writes, type Command, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { index, integerOf } from './numbers.ts'

/** 512 MB of bits. */
const maxBitOffset = 2 ** 32

/**
 * A bit offset; with the width of a field also `#n`, the n-th field of that width.
 *
 * @throws ReplyError when it is negative, too large or no integer.
 */
export function bitOffset(text: Bytes, width?: number): number {
  const bits = width ?? 1
  const hashed = width !== undefined && text.startsWith('#')
  const value = integerOf(hashed ? text.slice(1) : text)
  const offset = Number(value ?? -1) * (hashed ? bits : 1)
  if (offset < 0 || offset + bits > maxBitOffset) {
    throw new ReplyError('ERR bit offset is not an integer or out of range')
  }
  return offset
}

export function bufferOf(bytes: Bytes, atLeast = 0): Buffer {
  const buffer = Buffer.alloc(Math.max(bytes.length, atLeast))
  buffer.write(bytes, 'latin1')
  return buffer
}

function getBit({ keys }: Context, argv: Argv): Reply {
  const offset = bitOffset(word(argv, 2))
  const bytes = keys.find(word(argv, 1), 'string')?.bytes ?? ''
  return bitAt(bytes, offset)
}

function bitAt(bytes: Bytes, offset: number): 0 | 1 {
  const position = Math.floor(offset / 8)
  if (position >= bytes.length) return 0
  return ((bytes.charCodeAt(position) >> (7 - (offset % 8))) & 1) === 1 ? 1 : 0
}

function setBit(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const offset = bitOffset(word(argv, 2))
  const bit = word(argv, 3)
  if (bit !== '0' && bit !== '1') {
    throw new ReplyError('ERR bit is not an integer or out of range')
  }
  const before = context.keys.find(key, 'string')?.bytes ?? ''
  const position = Math.floor(offset / 8)
  const buffer = bufferOf(before, position + 1)
  const mask = 1 << (7 - (offset % 8))
  const byte = buffer[position] ?? 0
  buffer[position] = bit === '1' ? byte | mask : byte & ~mask
  context.keys.set(key, { type: 'string', bytes: buffer.toString('latin1') })
  context.log(argv)
  return bitAt(before, offset)
}

type BitRange = { readonly from: number; readonly to: number }

/** BITCOUNT takes two negative indexes in the wrong order for an empty range; BITPOS first cuts both to the string. */
type Ranged = { readonly bytes: Bytes; readonly reversedIsEmpty: boolean }

/** The bits that `[start [end [BYTE | BIT]]]` at `position` means, half open. */
function bitRange(argv: Argv, position: number, { bytes, reversedIsEmpty }: Ranged): BitRange {
  const unit = position + 2 < argv.length ? option(argv, position + 2) : 'BYTE'
  if ((unit !== 'BYTE' && unit !== 'BIT') || argv.length > position + 3) throw syntaxError()
  const scale = unit === 'BIT' ? 1 : 8
  const length = (bytes.length * 8) / scale
  const start = index(word(argv, position))
  const stop = position + 1 < argv.length ? index(word(argv, position + 1)) : length - 1
  if (reversedIsEmpty && start < 0 && stop < 0 && start > stop) return { from: 0, to: 0 }
  const [from, to] = span(start, Math.max(stop, -length), length)
  return { from: from * scale, to: to * scale }
}

function countBits({ keys }: Context, argv: Argv): Reply {
  const value = keys.find(word(argv, 1), 'string')
  if (!value) return 0
  if (argv.length === 3) throw syntaxError()
  const { bytes } = value
  const { from, to } =
    argv.length > 2
      ? bitRange(argv, 2, { bytes, reversedIsEmpty: true })
      : { from: 0, to: bytes.length * 8 }
  let ones = 0
  for (let at = from; at < to; at++) {
    if (at % 8 === 0 && at + 8 <= to) {
      ones += onesIn[bytes.charCodeAt(at / 8)] ?? 0
      at += 7
    } else ones += bitAt(bytes, at)
  }
  return ones
}

const onesIn = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte.toString(2).replaceAll('0', '').length,
)

function findBit({ keys }: Context, argv: Argv): Reply {
  const wanted = index(word(argv, 2))
  if (wanted !== 0 && wanted !== 1) {
    throw new ReplyError('ERR The bit argument must be 1 or 0.')
  }
  const value = keys.find(word(argv, 1), 'string')
  if (!value) return wanted === 1 ? -1 : 0
  const bytes = value.bytes
  const { from, to } =
    argv.length > 3
      ? bitRange(argv, 3, { bytes, reversedIsEmpty: false })
      : { from: 0, to: bytes.length * 8 }
  for (let at = from; at < to; at++) if (bitAt(bytes, at) === wanted) return at
  const openEnded = argv.length < 5 && to > from
  return wanted === 0 && openEnded ? to : -1
}

const operations: Readonly<Record<string, (left: number, right: number) => number>> = {
  AND: (left, right) => left & right,
  OR: (left, right) => left | right,
  XOR: (left, right) => left ^ right,
}

function combineBits(context: Context, argv: Argv): Reply {
  const name = option(argv, 1)
  const operate = operations[name]
  if (!operate && name !== 'NOT') throw syntaxError()
  if (name === 'NOT' && argv.length !== 4) {
    throw new ReplyError('ERR BITOP NOT must be called with a single source key.')
  }
  const target = word(argv, 2)
  const sources = argv.slice(3).map((key) => context.keys.find(key, 'string')?.bytes ?? '')
  const size = Math.max(...sources.map((bytes) => bytes.length))
  const buffers = sources.map((bytes) => bufferOf(bytes, size))
  const result = Buffer.alloc(size)
  for (let at = 0; at < size; at++) {
    const column = buffers.map((buffer) => buffer[at] ?? 0)
    result[at] = operate ? column.reduce(operate) : ~(column[0] ?? 0)
  }
  context.keys.delete(target)
  if (size > 0) context.keys.set(target, { type: 'string', bytes: result.toString('latin1') })
  context.log(argv)
  return size
}

export const bits: Readonly<Record<string, Command>> = {
  GETBIT: reads(3, getBit),
  SETBIT: writes(4, setBit),
  BITCOUNT: reads(-2, countBits),
  BITPOS: reads(-3, findBit),
  BITOP: writes(-4, combineBits),
}
