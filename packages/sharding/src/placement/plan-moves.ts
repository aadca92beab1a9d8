import type { SlotRange } from '../topology.ts'
import { checkedNodes, inNameOrder, type PlacementNode, weightOf } from './algorithm.ts'
import { ImpossiblePlanError, InvalidPlacementError } from './faults.ts'
import { type MovePlan, ownersOf, planTo } from './move-plan.ts'
import { countsOf, reassigned } from './reassign.ts'
import { sharesOf } from './shares.ts'

/** A shard as a plan sees it. */
export type PlanNode = PlacementNode & {
  /** The most slots it takes: no bound unless said. */
  readonly capacity?: number
}

/** A slot that must be on one shard: that of a tenant who may not leave a region. */
export type Pin = { readonly slot: number; readonly shard: string }

export type PlanMovesOptions = {
  readonly current: readonly SlotRange[]
  /** The shards that are to share the slots. A shard of the current map that is not among them gives all it has. */
  readonly nodes: readonly PlanNode[]
  readonly pins?: readonly Pin[]
  /** As that of the keyspace: a capacity is then used in whole groups, and a pin takes its group along. Default: 1. */
  readonly unit?: number
}

/**
 * The smallest set of slot moves after which `nodes` share the slots by their weights, within their capacities, and
 * each pinned slot is on its shard.
 *
 * A shard's share is its weight times one factor common to all, kept between its pinned slots and its capacity, and
 * rounded down or up: as long as each share is one of these two numbers, no other choice moves fewer slots. What moves
 * is the pinned slots that are elsewhere, and what a shard holds beyond its share: max(0, held - share). Where there
 * is a choice, slots leave so that few ranges arise. Slots count alike, whatever their load.
 *
 * The same input gives the same plan, in whatever order nodes and pins come; for a map that it has made the plan is
 * empty. O(slots + nodes²).
 *
 * @throws InvalidPlacementError when the map is not a partition of the slots, a weight or a capacity is none, or a pin
 *   names a slot or a shard that is not there.
 * @throws ImpossiblePlanError when the capacities are too small for all slots, or for the pins.
 */
export function planMoves({ current, nodes, pins = [], unit = 1 }: PlanMovesOptions): MovePlan {
  const grouped = {
    nodes: inGroups(nodes, unit),
    pins: pins.map(({ slot, shard }) => ({
      slot: Number.isInteger(slot) ? Math.floor(slot / unit) : slot,
      shard,
    })),
  }
  return planTo(current, rebalanced(ownersOf(current, unit), grouped), unit)
}

/** `nodes` with capacities in groups of `unit` slots. @throws InvalidPlacementError as {@link checkedPlanNodes}. */
export function inGroups(nodes: readonly PlanNode[], unit: number): readonly PlanNode[] {
  return checkedPlanNodes(nodes).map((node) =>
    node.capacity === undefined ? node : { ...node, capacity: Math.floor(node.capacity / unit) },
  )
}

type Wish = { readonly nodes: readonly PlanNode[]; readonly pins: readonly Pin[] }

/** The owners after the moves of {@link planMoves}, for any number of slots. */
export function rebalanced(owners: readonly string[], { nodes, pins }: Wish): readonly string[] {
  const sharing = inNameOrder(checkedPlanNodes(nodes))
  const pinned = pinnedOf(pins, sharing, owners.length)
  const bound = countsOf([...pinned.values()])
  // What each would hold if only the pins were obeyed: only beyond that can a rounding save a move.
  const held = countsOf(owners.map((owner, slot) => pinned.get(slot) ?? owner))
  const shares = sharesOf(
    owners.length,
    sharing.map(({ name, capacity = owners.length, ...node }) => ({
      name,
      weight: weightOf({ name, ...node }),
      least: bound.get(name) ?? 0,
      most: capacity,
      holds: held.get(name) ?? 0,
    })),
  )
  const quotas = new Map(
    sharing.map(({ name }, index) => [name, (shares[index] ?? 0) - (bound.get(name) ?? 0)]),
  )
  return reassigned(owners, { quotas, pinned })
}

/**
 * `nodes`, when they can be planned for.
 *
 * @throws InvalidPlacementError when there is none, two have one name, or a weight or a capacity is none.
 */
export function checkedPlanNodes(nodes: readonly PlanNode[]): readonly PlanNode[] {
  for (const { name, capacity = 0 } of checkedNodes('plan', nodes)) {
    if (!Number.isInteger(capacity) || capacity < 0)
      throw new InvalidPlacementError('plan', `shard "${name}" has the capacity ${capacity}`)
  }
  return nodes
}

function pinnedOf(
  pins: readonly Pin[],
  nodes: readonly PlanNode[],
  slots: number,
): ReadonlyMap<number, string> {
  const names = new Set(nodes.map(({ name }) => name))
  const pinned = new Map<number, string>()
  for (const { slot, shard } of pins) {
    if (!Number.isInteger(slot) || slot < 0 || slot >= slots)
      throw new InvalidPlacementError('plan', `slot ${slot} is pinned, and there is none`)
    if (!names.has(shard))
      throw new InvalidPlacementError(
        'plan',
        `slot ${slot} is pinned to the unknown shard "${shard}"`,
      )
    if ((pinned.get(slot) ?? shard) !== shard)
      throw new ImpossiblePlanError(`slot ${slot} is pinned to two shards`)
    pinned.set(slot, shard)
  }
  return pinned
}
