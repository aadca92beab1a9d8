import { xxh32 } from '@stoa/kernel'

import { BitReader, BitWriter } from './bits.ts'

/** Members that are kept one by one; up to here a count is exact. */
export const exactMax = 128
/** 2^14 registers: a standard error of 1.04 / 128 = 0.81 %. */
const indexBits = 14
const registerCount = 2 ** indexBits
/** Pairs of register and rank take 20 bits, dense registers 6: from here dense is smaller. */
const pairsMax = 4_096
const rankBits = 53 - indexBits

/**
 * How many distinct members were seen, in one of three forms: a set of their hashes (exact), pairs of register and rank
 * (linear counting), all registers (HyperLogLog). A union in any order, of any copies, gives the same.
 */
export type UniqueSketch =
  | { readonly form: 'exact'; readonly hashes: ReadonlySet<number> }
  | { readonly form: 'linear'; readonly registers: ReadonlyMap<number, number> }
  | { readonly form: 'dense'; readonly registers: Uint8Array }

/** 53 bits of two XXH32 of the member: two members collide with a chance of n^2 / 2^54. */
export function hashOfMember(member: string): number {
  return xxh32(member, 0x5eed) * 2 ** 21 + (xxh32(member, 0xbeef) >>> 11)
}

export const emptySketch: UniqueSketch = { form: 'exact', hashes: new Set() }

function registerOf(hash: number): number {
  return Math.floor(hash / 2 ** rankBits)
}

/** The place of the first one among the bits that choose no register, from 1. */
function rankOf(hash: number): number {
  const rest = hash % 2 ** rankBits
  return rest === 0 ? rankBits + 1 : rankBits - Math.floor(Math.log2(rest))
}

function raise(registers: Map<number, number>, register: number, rank: number): void {
  if ((registers.get(register) ?? 0) < rank) registers.set(register, rank)
}

function pairsOf(sketch: UniqueSketch): Map<number, number> {
  const pairs = new Map<number, number>()
  if (sketch.form === 'exact')
    for (const hash of sketch.hashes) raise(pairs, registerOf(hash), rankOf(hash))
  else if (sketch.form === 'linear')
    for (const [register, rank] of sketch.registers) raise(pairs, register, rank)
  else
    for (const [register, rank] of sketch.registers.entries())
      if (rank > 0) pairs.set(register, rank)
  return pairs
}

function compact(pairs: ReadonlyMap<number, number>): UniqueSketch {
  if (pairs.size <= pairsMax) return { form: 'linear', registers: pairs }
  const registers = new Uint8Array(registerCount)
  for (const [register, rank] of pairs) registers[register] = rank
  return { form: 'dense', registers }
}

/** The sketch of everybody that either has seen. O(members) until 128, then O(registers). */
export function unionOf(one: UniqueSketch, other: UniqueSketch): UniqueSketch {
  if (one.form === 'exact' && other.form === 'exact') {
    const hashes = new Set([...one.hashes, ...other.hashes])
    if (hashes.size <= exactMax) return { form: 'exact', hashes }
    return compact(pairsOf({ form: 'exact', hashes }))
  }
  const pairs = pairsOf(one)
  for (const [register, rank] of pairsOf(other)) raise(pairs, register, rank)
  return compact(pairs)
}

/** The sketch of these members, by their hashes. */
export function sketchOf(hashes: Iterable<number>): UniqueSketch {
  return unionOf(emptySketch, { form: 'exact', hashes: new Set(hashes) })
}

/** How many, and by how much that may be wrong: one standard error; 0 while it is exact. */
export type UniqueCount = { readonly count: number; readonly error: number }

/** Counts. Linear counting while registers are empty enough, else Ertl's estimator, which needs no tables. */
export function countOf(sketch: UniqueSketch): UniqueCount {
  if (sketch.form === 'exact') return { count: sketch.hashes.size, error: 0 }
  const pairs = pairsOf(sketch)
  const load = pairs.size / registerCount
  if (load < 0.63) {
    const count = -registerCount * Math.log1p(-load)
    const t = count / registerCount
    // Whang et al.: the variance of linear counting.
    return rounded(count, Math.sqrt(registerCount * (Math.exp(t) - t - 1)))
  }
  const count = ertl(pairs)
  return rounded(count, (count * 1.04) / Math.sqrt(registerCount))
}

function rounded(count: number, error: number): UniqueCount {
  return { count: Math.round(count), error: Math.ceil(error) }
}

/** @see Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6 */
function ertl(pairs: ReadonlyMap<number, number>): number {
  const counts = Array.from({ length: rankBits + 2 }, () => 0)
  for (const rank of pairs.values()) counts[rank] = (counts[rank] ?? 0) + 1
  counts[0] = registerCount - pairs.size
  let z = registerCount * tau(1 - (counts[rankBits + 1] ?? 0) / registerCount)
  for (let rank = rankBits; rank >= 1; rank -= 1) z = 0.5 * (z + (counts[rank] ?? 0))
  z += registerCount * sigma((counts[0] ?? 0) / registerCount)
  return (registerCount * registerCount) / (2 * Math.LN2 * z)
}

function sigma(start: number): number {
  if (start === 1) return Infinity
  let [x, y, z, before] = [start, 1, start, -1]
  while (z !== before) {
    x *= x
    before = z
    z += x * y
    y += y
  }
  return z
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let [x, y, z, before] = [start, 1, 1 - start, -1]
  while (z !== before) {
    x = Math.sqrt(x)
    before = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}

/** Exact: 7 bytes a member. Linear: 20 bits a register. Dense: 12 kB. */
export function encodeSketch(sketch: UniqueSketch): Uint8Array {
  const bits = new BitWriter()
  if (sketch.form === 'exact') {
    bits.write(1, 8)
    bits.write(sketch.hashes.size, 16)
    for (const hash of sketch.hashes) bits.writeLong(hash, 53)
  } else if (sketch.form === 'linear') {
    bits.write(2, 8)
    bits.write(sketch.registers.size, 16)
    for (const [register, rank] of sketch.registers) bits.write((register << 6) | rank, 20)
  } else {
    bits.write(3, 8)
    for (const rank of sketch.registers) bits.write(rank, 6)
  }
  return bits.bytes()
}

export function decodeSketch(body: Uint8Array): UniqueSketch {
  const bits = new BitReader(body)
  const form = bits.read(8)
  if (form === 1) {
    const size = bits.read(16)
    return { form: 'exact', hashes: new Set(Array.from({ length: size }, () => bits.readLong(53))) }
  }
  if (form === 2) {
    const registers = new Map<number, number>()
    for (let left = bits.read(16); left > 0; left -= 1) {
      const pair = bits.read(20)
      registers.set(pair >>> 6, pair & 63)
    }
    return { form: 'linear', registers }
  }
  if (form !== 3) throw new Error(`Cannot read a sketch of form ${form}`)
  return {
    form: 'dense',
    registers: Uint8Array.from({ length: registerCount }, () => bits.read(6)),
  }
}
