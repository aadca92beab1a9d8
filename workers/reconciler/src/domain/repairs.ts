import { type Call, Fault } from '@stoa/kernel'
import type { Action, RepairOrder } from '@stoa/reconciliation'

/** No service can do this repair: a person looks at it. */
export class RepairUnavailableError extends Fault {
  override readonly name = 'RepairUnavailableError'
  override readonly code = 'repair_unavailable'
  override readonly kind = 'failed_precondition'

  constructor(comparison: string, action: Action) {
    super(`Cannot repair: nobody does "${action}" for what "${comparison}" finds`)
  }
}

/** What a repair is to mend: the order, with the comparison that found it. */
export type Mending = RepairOrder & {
  readonly of: string
  readonly said: Readonly<Record<string, unknown>>
}

/** Mends one break, once for each `idempotencyKey` however often it is asked. */
export type Repair = (mending: Mending, call: Call) => Promise<void>

/** Repairs by `comparison/action`. Each goes through the service whose rows they are: nobody writes another's tables. */
export type Repairs = Readonly<Record<string, Repair>>

/** @throws RepairUnavailableError, and whatever the repair throws. */
export async function repair(repairs: Repairs, order: RepairOrder, call: Call): Promise<void> {
  // Written by a judge of ours, which names its comparison.
  const said = JSON.parse(order.detail) as Readonly<Record<string, unknown>>
  const of = String(said['of'])
  const does = repairs[`${of}/${order.action}`]
  if (does === undefined) throw new RepairUnavailableError(of, order.action)
  await does({ ...order, of, said }, call)
}
