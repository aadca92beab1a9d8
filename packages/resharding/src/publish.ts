import { parseSlot } from '@stoa/kernel'
import type { Keyspace, KeyRange, SlotRange, Topology } from '@stoa/sharding'

import type { Context, Flow } from './context.ts'
import type { Span } from './job.ts'
import { readTopology, writeTopology } from './store.ts'

/** How often another job may change the topology in between. */
const triesMax = 8

/** Pieces and who serves them from now on. */
export type Assignment = {
  readonly pieces: readonly Span[]
  readonly shard: string
  readonly epoch: number
}

function isSlot({ lo }: Span): boolean {
  return lo.length === 3
}

/** Ranges as few as they can be. */
function joined(ranges: readonly SlotRange[]): readonly SlotRange[] {
  const found: SlotRange[] = []
  for (const range of ranges) {
    const last = found.at(-1)
    const goesOn = last !== undefined && last.shard === range.shard && last.epoch === range.epoch
    if (goesOn) found[found.length - 1] = { ...last, to: range.to }
    else found.push(range)
  }
  return found
}

function assignSlots(ranges: readonly SlotRange[], to: Assignment): readonly SlotRange[] {
  const moved = new Set(to.pieces.filter(isSlot).map(({ lo }) => parseSlot(lo)))
  if (moved.size === 0) return ranges
  const place: SlotRange[] = []
  for (const range of ranges) {
    for (let slot = range.from; slot <= range.to; slot += 1) {
      const { shard, epoch } = moved.has(slot) && range.epoch < to.epoch ? to : range
      place.push({ from: slot, to: slot, shard, epoch })
    }
  }
  return joined(place)
}

function assignRanges(ranges: readonly KeyRange[], to: Assignment): readonly KeyRange[] {
  const known = new Map(ranges.map((range) => [range.from, range]))
  for (const { lo, hi } of to.pieces.filter((piece) => !isSlot(piece))) {
    if ((known.get(lo)?.epoch ?? 0) >= to.epoch) continue
    known.set(lo, { from: lo, to: hi, shard: to.shard, epoch: to.epoch })
  }
  return [...known.values()].toSorted((one, other) => (one.from < other.from ? -1 : 1))
}

/**
 * The keyspace with the pieces at their new owner. What it knows at a higher epoch stays: a later move has passed this
 * one. Pure; safe to repeat.
 */
export function assign(keyspace: Keyspace, to: Assignment): Keyspace {
  const ranges = assignRanges(keyspace.ranges ?? [], to)
  return {
    ...keyspace,
    slots: assignSlots(keyspace.slots, to),
    ...(ranges.length === 0 && keyspace.ranges === undefined ? {} : { ranges }),
  }
}

/** The keyspace without the range that `to` assigned, if nothing came after it: it is the slot's own again. */
export function dissolve(keyspace: Keyspace, { pieces, shard, epoch }: Assignment): Keyspace {
  const gone = new Set(pieces.map(({ lo }) => lo))
  const isGone = (range: KeyRange) =>
    gone.has(range.from) && range.shard === shard && range.epoch === epoch
  return { ...keyspace, ranges: (keyspace.ranges ?? []).filter((range) => !isGone(range)) }
}

/** Changes the keyspace in the topology by compare-and-set. One round trip when nobody else does. */
export async function changeKeyspace(
  context: Context,
  change: (keyspace: Keyspace) => Keyspace,
): Promise<void> {
  const { move, options, call } = context
  let topology: Topology = context.topology
  for (let tries = 0; tries < triesMax; tries += 1) {
    const keyspace = topology.keyspaces[move.keyspace]
    if (keyspace === undefined) throw new Error(`The topology has lost keyspace "${move.keyspace}"`)
    const next = change(keyspace)
    if (JSON.stringify(next) === JSON.stringify(keyspace)) return
    const keyspaces = { ...topology.keyspaces, [move.keyspace]: next }
    const write = { topology: { ...topology, keyspaces }, at: options.clock.now() }
    if (await writeTopology(options.meta, write, call)) return
    topology = await readTopology(options.meta, call)
  }
  throw new Error(`Cannot write the topology: others changed it ${triesMax} times meanwhile`)
}

/** Says in the topology that the copy has taken over. */
export async function publish(context: Context, { copy, epoch }: Flow): Promise<void> {
  const { pieces } = context.move.spec
  await changeKeyspace(context, (keyspace) => assign(keyspace, { pieces, shard: copy.name, epoch }))
}
