import { slotCount } from '@stoa/kernel'

import type { SlotRange } from '../topology.ts'
import { InvalidPlacementError } from './faults.ts'
import { rangesOf } from './slots-by.ts'

/** Slots that one shard gives to another, ascending. */
export type Move = { readonly from: string; readonly to: string; readonly slots: readonly number[] }

/** What is to move, and the map when it has. */
export type MovePlan = {
  /** By source, then by destination; each pair once. */
  readonly moves: readonly Move[]
  /** A partition of all slots, with the epochs of now: each move gives its slots another. */
  readonly target: readonly SlotRange[]
}

/**
 * The shard of each group of `unit` slots.
 *
 * @throws InvalidPlacementError when `ranges` are no partition of the slots, ascending, or two shards share a group.
 */
export function ownersOf(ranges: readonly SlotRange[], unit = 1): readonly string[] {
  const owners: string[] = []
  for (const { from, to, shard } of ranges) {
    if (from !== owners.length || !(to >= from && to < slotCount))
      throw new InvalidPlacementError(
        'plan',
        `the current map is no partition: slots ${from} to ${to} do not follow ${owners.length - 1}`,
      )
    while (owners.length <= to) owners.push(shard)
  }
  if (owners.length !== slotCount)
    throw new InvalidPlacementError(
      'plan',
      `the current map is no partition: slots from ${owners.length} on have no owner`,
    )
  if (unit === 1) return owners
  const cut = owners.findIndex((owner, slot) => owner !== owners[slot - (slot % unit)])
  if (cut >= 0)
    throw new InvalidPlacementError('plan', `slot ${cut} is apart from its group of ${unit}`)
  return owners.filter((_, slot) => slot % unit === 0)
}

/** The plan after which `owners` have the groups of `unit` slots that `current` says. */
export function planTo(
  current: readonly SlotRange[],
  owners: readonly string[],
  unit = 1,
): MovePlan {
  const before = current.flatMap(({ from, to, shard, epoch }) =>
    Array.from({ length: to - from + 1 }, () => ({ shard, epoch })),
  )
  const moves = new Map<string, Move & { readonly slots: number[] }>()
  for (const [slot, { shard: from }] of before.entries()) {
    const to = owners[Math.floor(slot / unit)] ?? from
    if (to === from) continue
    const pair = JSON.stringify([from, to])
    const move = moves.get(pair) ?? { from, to, slots: [] }
    move.slots.push(slot)
    moves.set(pair, move)
  }
  return {
    moves: [...moves.values()].toSorted(
      (one, other) => order(one.from, other.from) || order(one.to, other.to),
    ),
    target: rangesOf(
      before.map(({ shard, epoch }, slot) => ({
        shard: owners[Math.floor(slot / unit)] ?? shard,
        epoch,
      })),
    ),
  }
}

function order(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
