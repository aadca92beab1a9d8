import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { bufferOf } from './bits.ts'
import { reads, word, writes, type Command, type Context } from './command.ts'

/** 2^14 registers of 6 bits; the other 50 bits of the hash give the length of the run of zeros. */
const registers = 16384
const runBits = 50
const headerBytes = 16
const denseBytes = headerBytes + (registers * 6) / 8
const seed = 0xadc83b19n
const mask64 = 2n ** 64n - 1n
const multiplier = 0xc6a4a7935bd1e995n
const alphaInfinity = 1 / (2 * Math.LN2)

const notHyperLogLog = () =>
  new ReplyError('WRONGTYPE Key is not a valid HyperLogLog string value.')
const corrupted = () => new ReplyError('INVALIDOBJ Corrupted HLL object detected')

/** @see https://github.com/aappleby/smhasher MurmurHash64A */
function murmur64a(bytes: Bytes): bigint {
  const buffer = bufferOf(bytes)
  const words = Math.floor(buffer.length / 8)
  let hash = seed ^ ((BigInt(buffer.length) * multiplier) & mask64)
  for (let at = 0; at < words; at++) {
    let part = (buffer.readBigUInt64LE(at * 8) * multiplier) & mask64
    part ^= part >> 47n
    hash = ((hash ^ ((part * multiplier) & mask64)) * multiplier) & mask64
  }
  const tail = buffer.subarray(words * 8)
  if (tail.length > 0) {
    const rest = tail.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
    hash = ((hash ^ rest) * multiplier) & mask64
  }
  hash = ((hash ^ (hash >> 47n)) * multiplier) & mask64
  return hash ^ (hash >> 47n)
}

type Mark = { readonly register: number; readonly run: number }

function markOf(element: Bytes): Mark {
  const hash = murmur64a(element)
  const rest = (hash >> 14n) | (1n << BigInt(runBits))
  const low = Number(rest & 0xffffffffn)
  const trailing = low === 0 ? 32 + zerosBelow(Number(rest >> 32n)) : zerosBelow(low)
  return { register: Number(hash & 16383n), run: trailing + 1 }
}

function zerosBelow(value: number): number {
  return 31 - Math.clz32(value & -value)
}

/** The registers of a stored HyperLogLog, dense or sparse. @throws ReplyError when it is none. */
function decode(bytes: Bytes): Uint8Array {
  const encoding = bytes.charCodeAt(4)
  if (!bytes.startsWith('HYLL') || bytes.length < headerBytes || encoding > 1) {
    throw notHyperLogLog()
  }
  if (encoding === 1) return decodeSparse(bytes)
  if (bytes.length !== denseBytes) throw notHyperLogLog()
  const found = new Uint8Array(registers)
  for (let at = 0; at < registers; at++) {
    const bit = at * 6
    const byte = headerBytes + (bit >> 3)
    const pair = bytes.charCodeAt(byte) | ((bytes.charCodeAt(byte + 1) || 0) << 8)
    found[at] = (pair >> (bit & 7)) & 63
  }
  return found
}

/** Runs of zeros `00llllll` and `01llllll llllllll`, and runs of one value `1vvvvvll`. */
function decodeSparse(bytes: Bytes): Uint8Array {
  const found = new Uint8Array(registers)
  let register = 0
  for (let at = headerBytes; at < bytes.length; at++) {
    const code = bytes.charCodeAt(at)
    if (code < 64) register += code + 1
    else if (code < 128) register += (((code & 63) << 8) | bytes.charCodeAt(++at)) + 1
    else {
      const end = register + (code & 3) + 1
      found.fill(((code >> 2) & 31) + 1, register, end)
      register = end
    }
  }
  if (register !== registers) throw corrupted()
  return found
}

function encode(values: Uint8Array): Bytes {
  const buffer = Buffer.alloc(denseBytes + 1)
  buffer.write('HYLL', 'latin1')
  for (let at = 0; at < registers; at++) {
    const bit = at * 6
    const byte = headerBytes + (bit >> 3)
    const shifted = (values[at] ?? 0) << (bit & 7)
    buffer[byte] = (buffer[byte] ?? 0) | (shifted & 255)
    buffer[byte + 1] = (buffer[byte + 1] ?? 0) | (shifted >> 8)
  }
  return buffer.toString('latin1', 0, denseBytes)
}

/** Ertl's estimator. @see Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches" */
function estimate(values: Uint8Array): number {
  const histogram = new Uint32Array(64)
  for (const value of values) histogram[value] = (histogram[value] ?? 0) + 1
  let sum = registers * tau((registers - (histogram[runBits + 1] ?? 0)) / registers)
  for (let at = runBits; at >= 1; at--) sum = (sum + (histogram[at] ?? 0)) * 0.5
  sum += registers * sigma((histogram[0] ?? 0) / registers)
  return Math.round((alphaInfinity * registers * registers) / sum)
}

function sigma(start: number): number {
  if (start === 1) return Infinity
  let x = start
  let y = 1
  let sum = x
  for (let before = NaN; before !== sum; y += y) {
    x *= x
    before = sum
    sum += x * y
  }
  return sum
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let x = start
  let y = 1
  let sum = 1 - x
  for (let before = NaN; before !== sum;) {
    x = Math.sqrt(x)
    before = sum
    y *= 0.5
    sum -= (1 - x) ** 2 * y
  }
  return sum / 3
}

function registersAt({ keys }: Context, key: Bytes): Uint8Array | undefined {
  const value = keys.find(key, 'string')
  return value && decode(value.bytes)
}

function store({ keys }: Context, key: Bytes, values: Uint8Array): void {
  keys.set(key, { type: 'string', bytes: encode(values) })
}

function add(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const found = registersAt(context, key)
  const values = found ?? new Uint8Array(registers)
  let changed = found === undefined
  for (const element of argv.slice(2)) {
    const { register, run } = markOf(element)
    if ((values[register] ?? 0) >= run) continue
    values[register] = run
    changed = true
  }
  if (!changed) return 0
  store(context, key, values)
  context.log(argv)
  return 1
}

function united(context: Context, keys: Argv): Uint8Array {
  const values = new Uint8Array(registers)
  for (const key of keys) {
    const found = registersAt(context, key)
    found?.forEach((value, at) => {
      if (value > (values[at] ?? 0)) values[at] = value
    })
  }
  return values
}

function merge(context: Context, argv: Argv): Reply {
  store(context, word(argv, 1), united(context, argv.slice(1)))
  context.log(argv)
  return ok
}

export const hyperLogLogs: Readonly<Record<string, Command>> = {
  PFADD: writes(-2, add),
  PFCOUNT: reads(-2, (context, argv) => estimate(united(context, argv.slice(1)))),
  PFMERGE: writes(-2, merge),
}
