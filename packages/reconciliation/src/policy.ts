import type { Action, BreakClass, Finding } from './finding.ts'

/** What happens to a break by itself. */
export type Policy = {
  /** Repaired without a person; otherwise it goes to review. */
  readonly auto: boolean
  /** How long it waits first, in milliseconds: most breaks between two companies mend themselves. */
  readonly holdMs: number
}

const dayMs = 86_400_000
const atOnce: Policy = { auto: true, holdMs: 0 }
const byHand: Policy = { auto: false, holdMs: 0 }

/** Repairs that nobody needs to look at: each sends again or rebuilds from the truth, and none of them invents money. */
const policies: Readonly<Record<BreakClass, Partial<Readonly<Record<Action, Policy>>>>> = {
  missing_internal: { replay_paid: atOnce, refund_unknown: { auto: true, holdMs: dayMs } },
  missing_external: { suspend: { auto: false, holdMs: 2 * dayMs } },
  amount_mismatch: { adjust: byHand },
  state_mismatch: { redrive_payment: atOnce },
  duplicate_capture: { refund_duplicate: atOnce },
  cut_off: { carry_over: { auto: false, holdMs: dayMs } },
  journal_mismatch: { republish_order: atOnce },
  stuck_transaction: { finish_transaction: atOnce },
  stock_drift: { rebuild_reserved: atOnce },
  event_gap: { resend_events: atOnce },
  undelivered_webhook: { rearm_delivery: atOnce },
  balance_drift: {},
  counter_drift: { recount: atOnce },
  twin_drift: { copy_twin: atOnce },
  hot_view_drift: { refill_hot_view: atOnce },
}

/** What the house does about a break; whatever it does not name is for a person. */
export function policyOf({ class: name, action }: Pick<Finding, 'class' | 'action'>): Policy {
  return policies[name][action] ?? byHand
}
