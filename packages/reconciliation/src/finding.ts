import { prefixOfText } from '@stoa/kernel'

import type { Fields } from './entry.ts'
import type { Group } from './match.ts'
import type { Look } from './watermark.ts'

/** In which way sides disagree. The last three are of copies and counts within the house. */
export type BreakClass =
  | 'missing_internal'
  | 'missing_external'
  | 'amount_mismatch'
  | 'state_mismatch'
  | 'duplicate_capture'
  | 'cut_off'
  | 'journal_mismatch'
  | 'stuck_transaction'
  | 'stock_drift'
  | 'event_gap'
  | 'undelivered_webhook'
  | 'balance_drift'
  | 'counter_drift'
  | 'twin_drift'
  | 'hot_view_drift'

/** What would mend a break. Only a person can `investigate`, `suspend` (book to suspense) or `adjust`. */
export type Action =
  | 'replay_paid'
  | 'refund_unknown'
  | 'refund_duplicate'
  | 'redrive_payment'
  | 'carry_over'
  | 'republish_order'
  | 'finish_transaction'
  | 'rebuild_reserved'
  | 'resend_events'
  | 'rearm_delivery'
  | 'recount'
  | 'copy_twin'
  | 'refill_hot_view'
  | 'adjust'
  | 'suspend'
  | 'investigate'

/** A disagreement, as one look at it sees it. The same state of the sides gives the same finding. */
export type Finding = {
  readonly class: BreakClass
  readonly key: string
  readonly action: Action
  /** Minor units at stake, 0 where no money is: what a repair takes from the budget. */
  readonly amount: number
  /** What the sides said, for the repair to compare before it writes, and for a person to read. */
  readonly detail: Fields
}

/** Says what is wrong with a group that has settled. Pure, and silent when nothing is. */
export type Judge = (group: Group, look: Look) => readonly Finding[]

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const encoder = new TextEncoder()

/**
 * The id of a break: the place of its key, then 75 bits of SHA-256 over class, comparison and key. Found again, it is
 * the same break.
 */
export async function breakId(
  comparison: string,
  { class: name, key }: Pick<Finding, 'class' | 'key'>,
): Promise<string> {
  const text = JSON.stringify([name, comparison, key])
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)))
  const tail = Array.from(digest.subarray(0, 15), (byte) => alphabet[byte & 31]).join('')
  return prefixOfText(key) + tail
}

/** `fields` as JSON, names in order and large numbers as text: equal fields give equal text. */
export function canonicalFields(fields: Fields): string {
  const entries = Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(
    Object.fromEntries(
      entries.map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
    ),
  )
}
