import { slotCount } from '@stoa/kernel'

import type { SlotRange } from '../topology.ts'
import type { PlacementAlgorithm, PlacementNode } from './algorithm.ts'

/**
 * The map of all slots that `algorithm` makes for `nodes`, at epoch 1: slots are placed as the numbers 0 to 16,383.
 *
 * As even as the algorithm is over 16,384 keys, and in as many ranges as it scatters them: `evenSlots` and `planMoves`
 * make evener maps of fewer ranges. Costs 16,384 placements.
 */
export function slotsBy(
  algorithm: PlacementAlgorithm<number>,
  nodes: readonly PlacementNode[],
): readonly SlotRange[] {
  const locate = algorithm(nodes)
  return rangesOf(
    Array.from({ length: slotCount }, (_, slot) => ({ shard: locate(slot).name, epoch: 1 })),
  )
}

/** `owners`, one for each slot from 0 on, as ranges of equal neighbours. */
export function rangesOf(
  owners: readonly { readonly shard: string; readonly epoch: number }[],
): readonly SlotRange[] {
  const ranges: SlotRange[] = []
  for (const [slot, { shard, epoch }] of owners.entries()) {
    const last = ranges.at(-1)
    if (last?.shard === shard && last.epoch === epoch)
      ranges[ranges.length - 1] = { ...last, to: slot }
    else ranges.push({ from: slot, to: slot, shard, epoch })
  }
  return ranges
}
