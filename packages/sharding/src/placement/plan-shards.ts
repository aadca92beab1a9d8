import type { SlotRange } from '../topology.ts'
import { inNameOrder, weightOf } from './algorithm.ts'
import { ImpossiblePlanError, InvalidPlacementError } from './faults.ts'
import { type MovePlan, ownersOf, planTo } from './move-plan.ts'
import { inGroups, type PlanNode } from './plan-moves.ts'
import { countsOf, reassigned } from './reassign.ts'
import { sharesOf } from './shares.ts'

/** A change of one shard, and of one other. */
export type PlanPairOptions = {
  readonly current: readonly SlotRange[]
  readonly from: string
  readonly into: string
  /** As that of the keyspace. Default: 1. */
  readonly unit?: number
}

/**
 * Half of the slots of `from`, rounded down, move to the new shard `into`; in as few ranges as can be.
 *
 * @throws InvalidPlacementError when the map is no partition, `from` holds nothing, or `into` holds something.
 * @throws ImpossiblePlanError when `from` holds one slot: what is hot in it can only be set apart by key ranges.
 */
export function planSplit({ current, from, into, unit = 1 }: PlanPairOptions): MovePlan {
  const owners = ownersOf(current, unit)
  const held = countsOf(owners)
  const holds = holdingOf(held, from)
  requireNew(held, into)
  if (holds < 2)
    throw new ImpossiblePlanError(
      unit === 1
        ? `shard "${from}" holds one slot, which cannot be halved`
        : `shard "${from}" holds one group of ${unit} slots, which cannot be halved`,
    )
  const gives = Math.floor(holds / 2)
  const quotas = new Map(held).set(from, holds - gives).set(into, gives)
  return planTo(current, reassigned(owners, { quotas }), unit)
}

/**
 * All slots of `from` move to `into`, which holds some already. Afterwards `from` is empty.
 *
 * @throws InvalidPlacementError when the map is no partition, one of the two holds nothing, or they are the same.
 */
export function planMerge({ current, from, into, unit = 1 }: PlanPairOptions): MovePlan {
  const owners = ownersOf(current, unit)
  const held = countsOf(owners)
  holdingOf(held, from)
  holdingOf(held, into)
  if (from === into)
    throw new InvalidPlacementError('plan', `shard "${from}" cannot be merged with itself`)
  return planTo(
    current,
    owners.map((owner) => (owner === from ? into : owner)),
    unit,
  )
}

export type PlanDrainOptions = {
  readonly current: readonly SlotRange[]
  /** The shard that is to be empty. */
  readonly from: string
  /** The shards that take its slots; all that hold slots now must be among them, but `from`. */
  readonly nodes: readonly PlanNode[]
  /** As that of the keyspace. Default: 1. */
  readonly unit?: number
}

/**
 * All slots of `from` move to `nodes`, so that these come as near to their weights as they can while nothing else
 * moves. A capacity that is exceeded already takes nothing more.
 *
 * @throws InvalidPlacementError when the map is no partition, `from` holds nothing or is to take, or a shard that holds
 *   slots is missing.
 * @throws ImpossiblePlanError when the capacities are too small.
 */
export function planDrain({ current, from, nodes, unit = 1 }: PlanDrainOptions): MovePlan {
  const owners = ownersOf(current, unit)
  const held = countsOf(owners)
  holdingOf(held, from)
  const taking = inNameOrder(inGroups(nodes, unit))
  const names = new Set(taking.map(({ name }) => name))
  if (names.has(from))
    throw new InvalidPlacementError('plan', `shard "${from}" cannot take what it gives`)
  const missing = [...held.keys()].find((name) => name !== from && !names.has(name))
  if (missing !== undefined)
    throw new InvalidPlacementError('plan', `shard "${missing}" holds slots and is not named`)
  const shares = sharesOf(
    owners.length,
    taking.map((node) => {
      const holds = held.get(node.name) ?? 0
      const most = Math.max(holds, node.capacity ?? owners.length)
      return { name: node.name, weight: weightOf(node), least: holds, most, holds }
    }),
  )
  const quotas = new Map(taking.map(({ name }, index) => [name, shares[index] ?? 0]))
  return planTo(current, reassigned(owners, { quotas }), unit)
}

export type PlanIsolateOptions = {
  readonly current: readonly SlotRange[]
  /** Whole groups, when the keyspace has a unit. */
  readonly slots: readonly number[]
  readonly into: string
}

/**
 * `slots`, wherever they are, move to the new shard `into`, and nothing else does.
 *
 * @throws InvalidPlacementError when the map is no partition, a slot is none, there are none, or `into` holds some.
 */
export function planIsolate({ current, slots, into }: PlanIsolateOptions): MovePlan {
  const owners = ownersOf(current)
  requireNew(countsOf(owners), into)
  const alone = new Set(slots)
  const unknown = slots.find((slot) => owners[slot] === undefined)
  if (unknown !== undefined) throw new InvalidPlacementError('plan', `there is no slot ${unknown}`)
  if (alone.size === 0) throw new InvalidPlacementError('plan', 'no slot is named')
  return planTo(
    current,
    owners.map((owner, slot) => (alone.has(slot) ? into : owner)),
  )
}

function holdingOf(held: ReadonlyMap<string, number>, shard: string): number {
  const holds = held.get(shard)
  if (holds === undefined)
    throw new InvalidPlacementError('plan', `shard "${shard}" holds no slots`)
  return holds
}

function requireNew(held: ReadonlyMap<string, number>, shard: string): void {
  if (held.has(shard))
    throw new InvalidPlacementError('plan', `shard "${shard}" holds slots: it must be empty`)
}
