import type { Batch } from './batch.ts'
import type { Crew } from './crew.ts'
import { addSums, type SlotSum } from './digest.ts'
import type { Verification } from './options.ts'
import type { Tasks } from './tasks.ts'

/** Keys held in memory at a time where slots differ. */
const pickedRowsMax = 250_000
const examplesMax = 20

export type VerifyOptions = {
  readonly crew: Crew
  /** The parts of the source, from the first. */
  readonly batches: () => AsyncGenerator<Batch, void>
  /** Lines of a batch that did not become rows. */
  readonly refusedIn: (batch: string) => readonly number[]
  readonly shards: readonly string[]
  readonly onProgress: (part: number) => void
}

type Sums = Map<number, SlotSum>

async function* each<T>(items: Iterable<T>): AsyncGenerator<T, void> {
  yield* items
}

async function* withRefused({
  batches,
  refusedIn,
}: VerifyOptions): AsyncGenerator<Tasks['sum'], void> {
  for await (const batch of batches()) yield { batch, except: refusedIn(batch.id) }
}

async function* wanting(
  options: VerifyOptions,
  slots: readonly number[],
): AsyncGenerator<Tasks['pick'], void> {
  for await (const part of withRefused(options)) yield { ...part, slots }
}

/** Slots that differ, in groups whose rows fit in memory. */
function groupsOf(
  slots: readonly number[],
  source: Sums,
  shards: Sums,
): readonly (readonly number[])[] {
  const groups: number[][] = []
  let room = 0
  for (const slot of slots) {
    const rows = (source.get(slot)?.rows ?? 0) + (shards.get(slot)?.rows ?? 0)
    const group = groups.at(-1)
    if (group === undefined || rows > room) {
      groups.push([slot])
      room = pickedRowsMax
    } else group.push(slot)
    room -= rows
  }
  return groups
}

type Found = { rows: number; missing: number; different: number; extra: number; examples: string[] }

/** Compares row by row the slots whose sums differ: a line that the source has twice differs there, and not here. */
async function compare(
  options: VerifyOptions,
  slots: readonly number[],
  found: Found,
): Promise<void> {
  const wanted = new Map<string, bigint>()
  const there = new Map<string, bigint>()
  const { crew, shards } = options
  await crew.run('pick', wanting(options, slots), (picked) => {
    for (const [key, digest] of picked) wanted.set(key, digest)
  })
  await crew.run('pickShard', each(shards.map((shard) => ({ shard, slots }))), (picked) => {
    for (const [key, digest] of picked) there.set(key, digest)
  })
  found.rows += wanted.size
  for (const [key, digest] of wanted) {
    const other = there.get(key)
    if (other === digest) continue
    if (other === undefined) found.missing += 1
    else found.different += 1
    if (found.examples.length < examplesMax) found.examples.push(key)
  }
  found.extra += [...there.keys()].filter((key) => !wanted.has(key)).length
}

/**
 * Compares what the shards hold with what the source gives: the count and the content digest of each slot, and where
 * these differ, row by row. Reads both once, and the source and shards once more for every 250,000 rows of slots that
 * differ. Rows written meanwhile are reported as extra or different.
 */
export async function verifyRows(options: VerifyOptions): Promise<Verification> {
  const { crew, shards, onProgress } = options
  const source: Sums = new Map()
  const target: Sums = new Map()
  await crew.run('sum', withRefused(options), (sums, { batch }) => {
    addSums(source, sums)
    onProgress(batch.part / 2)
  })
  let done = 0
  await crew.run('sumShard', each(shards), (sums) => {
    addSums(target, sums)
    done += 1
    onProgress(0.5 + done / shards.length / 2)
  })
  const slots = [...new Set([...source.keys(), ...target.keys()])]
  const same = (slot: number) =>
    source.get(slot)?.rows === target.get(slot)?.rows &&
    source.get(slot)?.sum === target.get(slot)?.sum
  const found: Found = { rows: 0, missing: 0, different: 0, extra: 0, examples: [] }
  for (const slot of slots.filter(same)) found.rows += source.get(slot)?.rows ?? 0
  const unlike = slots.filter((slot) => !same(slot))
  for (const group of groupsOf(unlike, source, target)) await compare(options, group, found)
  return { ok: found.missing + found.different === 0, slots: source.size, ...found }
}
