import {
  BitReader,
  BitWriter,
  readExpGolomb,
  readRice,
  riceParameter,
  writeExpGolomb,
  writeRice,
} from './bits.ts'
import { idOfParts, partsOf } from './subject.ts'

/** Objects by id, each with a value for each metric. */
export type PageEntries = ReadonlyMap<string, readonly number[]>

/** The order of the code for values: counters of things that people make are mostly below a hundred. */
const valueOrder = 3
const version = 1
const ownerBits = 10

type Entry = {
  /** Slot of the page, and owner. */
  readonly place: number
  readonly time: number
  readonly tail: number
  readonly values: readonly number[]
}

function entryOf(id: string, first: number, values: readonly number[]): Entry {
  const { slot, owner, time, tail } = partsOf(id)
  return { place: ((slot - first) << ownerBits) | owner, time, tail, values }
}

function idOf(first: number, { place, time, tail }: Omit<Entry, 'values'>): string {
  return idOfParts({ slot: first + (place >>> ownerBits), owner: place & 1023, time, tail })
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** The values that are coded: those of signed metrics folded, and all within 53 bits. */
type Fold = { readonly to: (value: number) => number; readonly from: (value: number) => number }

const plain: Fold = { to: (value) => value, from: (value) => value }
const folded: Fold = { to: zigzag, from: unzigzag }

/** The largest value a page takes: beyond it an object stays a row. */
export const pageValueMax = 2 ** 51

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}

/** Entries by place; within one, by time. */
function grouped(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const sorted = entries.toSorted((a, b) => a.place - b.place || a.time - b.time || a.tail - b.tail)
  return [...Map.groupBy(sorted, ({ place }) => place).values()]
}

/** Each entry's distance in time from the one before it in its group, the first's from `base`. */
function gapsOf(group: readonly Entry[], base: number): readonly number[] {
  return group.map(({ time }, index) => time - (group[index - 1]?.time ?? base))
}

type Shape = { readonly metrics: number; readonly signed: boolean }

/**
 * Packs a page: objects of one owner together, times as Rice-coded distances, tails as they are, values in an
 * Exponential-Golomb code. About 8 bytes an id and 1 byte a value. Objects whose values are all zero are left out.
 *
 * `first` is the page's first slot.
 */
export function encodePage(
  entries: PageEntries,
  first: number,
  { metrics, signed }: Shape,
): Uint8Array {
  const fold = signed ? folded : plain
  const list = [...entries]
    .filter(([, values]) => values.some((value) => value !== 0))
    .map(([id, values]) => entryOf(id, first, values))
  const groups = grouped(list)
  const base = list.reduce((least, { time }) => Math.min(least, time), Infinity)
  const start = list.length === 0 ? 0 : base
  const firstGaps = groups.map(([entry]) => (entry?.time ?? start) - start)
  const laterGaps = groups.flatMap((group) => gapsOf(group, start).slice(1))
  const places = groups.map(
    ([entry], index) => (entry?.place ?? 0) - (groups[index - 1]?.[0]?.place ?? -1) - 1,
  )
  const ks = [places, firstGaps, laterGaps].map((numbers) => riceParameter(mean(numbers)))
  const [placeK = 0, firstK = 0, laterK = 0] = ks
  const bits = new BitWriter()
  bits.write(version, 4)
  bits.write(metrics, 5)
  bits.write(signed ? 1 : 0, 1)
  bits.write(groups.length, 32)
  bits.writeLong(start, 45)
  for (const k of ks) bits.write(k, 6)
  for (const [index, group] of groups.entries()) {
    writeRice(bits, places[index] ?? 0, placeK)
    writeExpGolomb(bits, group.length - 1, 2)
    for (const [position, gap] of gapsOf(group, start).entries()) {
      writeRice(bits, gap, position === 0 ? firstK : laterK)
      bits.write(group[position]?.tail ?? 0, 30)
      for (let metric = 0; metric < metrics; metric += 1) {
        writeExpGolomb(bits, fold.to(group[position]?.values[metric] ?? 0), valueOrder)
      }
    }
  }
  return bits.bytes()
}

/** Reads a page. Values of metrics that were added since are 0: pages keep the order of the metrics. */
export function decodePage(body: Uint8Array, first: number): Map<string, readonly number[]> {
  const bits = new BitReader(body)
  const form = bits.read(4)
  if (form !== version) throw new Error(`Cannot read a page of form ${form}`)
  const metrics = bits.read(5)
  const fold = bits.read(1) === 1 ? folded : plain
  const groups = bits.read(32)
  const start = bits.readLong(45)
  const [placeK, firstK, laterK] = [bits.read(6), bits.read(6), bits.read(6)]
  const entries = new Map<string, readonly number[]>()
  let place = -1
  for (let group = 0; group < groups; group += 1) {
    place += readRice(bits, placeK) + 1
    const size = readExpGolomb(bits, 2) + 1
    let time = start
    for (let position = 0; position < size; position += 1) {
      time += readRice(bits, position === 0 ? firstK : laterK)
      const tail = bits.read(30)
      const values = Array.from({ length: metrics }, () =>
        fold.from(readExpGolomb(bits, valueOrder)),
      )
      entries.set(idOf(first, { place, time, tail }), values)
    }
  }
  return entries
}
