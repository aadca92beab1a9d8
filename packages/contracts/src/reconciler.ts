import { z } from 'zod'

import { idField, moment, page, pageOf } from './fields.ts'
import { route } from './route.ts'

export const runId = idField('rcn')
export const discrepancyId = idField('dsc')

/** In which way sides disagree. */
export const breakClass = z.enum([
  'missing_internal',
  'missing_external',
  'amount_mismatch',
  'state_mismatch',
  'duplicate_capture',
  'cut_off',
  'journal_mismatch',
  'stuck_transaction',
  'stock_drift',
  'event_gap',
  'undelivered_webhook',
  'balance_drift',
  'counter_drift',
  'twin_drift',
  'hot_view_drift',
])

/** What would mend a discrepancy. Only a person can investigate, suspend or adjust. */
export const repairAction = z.enum([
  'replay_paid',
  'refund_unknown',
  'refund_duplicate',
  'redrive_payment',
  'carry_over',
  'republish_order',
  'finish_transaction',
  'rebuild_reserved',
  'resend_events',
  'rearm_delivery',
  'recount',
  'copy_twin',
  'refill_hot_view',
  'adjust',
  'suspend',
  'investigate',
])

export const discrepancyState = z.enum([
  'open',
  'repairing',
  'repaired',
  'review',
  'proposed',
  'approved',
  'resolved',
  'dismissed',
])

const comparison = z.string().min(1).max(64)
/** The operator's token is the deployment's: this says which of its operators it is. */
const person = z.string().trim().min(1).max(100)
const note = z.string().trim().min(1).max(500)

export const reconciliationRun = z.object({
  id: runId,
  comparison,
  state: z.enum(['running', 'finished']),
  compared: z.int(),
  /** Keys that may have been under way, left for the next run. */
  young: z.int(),
  /** Breaks by class, those that were known before among them. */
  found: z.partialRecord(breakClass, z.int()),
  startedAt: moment,
  finishedAt: moment.nullable(),
})

export const discrepancy = z.object({
  id: discrepancyId,
  comparison,
  class: breakClass,
  /** What the two sides call it. */
  key: z.string(),
  state: discrepancyState,
  action: repairAction,
  /** At stake; 0 where no money is. */
  amountMinor: z.int().min(0),
  /** What the sides said. */
  detail: z.record(z.string(), z.unknown()),
  /** How often it has come back, and one more. */
  occurrence: z.int(),
  version: z.int(),
  firstSeenAt: moment,
  /** When it is looked at again by itself. */
  dueAt: moment.nullable(),
  assignee: z.string().nullable(),
  proposed: repairAction.or(z.literal('dismiss')).nullable(),
  maker: z.string().nullable(),
  checker: z.string().nullable(),
  note: z.string().nullable(),
})

const journalEntry = z.object({
  version: z.int(),
  occurrence: z.int(),
  state: discrepancyState,
  action: repairAction,
  amountMinor: z.int(),
  actor: z.string(),
  note: z.string().nullable(),
  at: moment,
})

const params = z.object({ discrepancy: discrepancyId })
/** A change of a discrepancy as it was read at `version`. */
const deed = z.object({ version: z.int().min(1), by: person, note })

export const reconciler = {
  startReconciliation: route({
    id: 'startReconciliation',
    method: 'post',
    path: '/v1/reconciliation-runs',
    summary:
      'Compare everything under a name now; each minute goes on with what the answer has left',
    access: 'operator',
    idempotent: true,
    body: z.object({ comparison }),
    status: 202,
    reply: reconciliationRun,
  }),
  tryReconciliation: route({
    id: 'tryReconciliation',
    method: 'post',
    path: '/v1/reconciliation-trials',
    summary:
      'Compare and write nothing: what would be found, of all keys or of those with a beginning',
    access: 'operator',
    body: z.object({ comparison, under: z.string().max(64).default('') }),
    status: 200,
    reply: z.object({
      compared: z.int(),
      young: z.int(),
      found: z.partialRecord(breakClass, z.int()),
      /** The first hundred. */
      items: z.array(
        discrepancy.pick({ class: true, key: true, action: true, amountMinor: true, detail: true }),
      ),
    }),
  }),
  listReconciliations: route({
    id: 'listReconciliations',
    method: 'get',
    path: '/v1/reconciliation-runs',
    summary: 'List runs, newest first',
    access: 'operator',
    query: page,
    status: 200,
    reply: pageOf(reconciliationRun),
  }),
  getReconciliation: route({
    id: 'getReconciliation',
    method: 'get',
    path: '/v1/reconciliation-runs/{run}',
    summary: 'Read how far a run is',
    access: 'operator',
    params: z.object({ run: runId }),
    status: 200,
    reply: reconciliationRun,
  }),
  listDiscrepancies: route({
    id: 'listDiscrepancies',
    method: 'get',
    path: '/v1/discrepancies',
    summary: 'List discrepancies that are open, or in a state, the oldest first',
    access: 'operator',
    query: page.extend({
      class: breakClass.optional(),
      state: discrepancyState.optional(),
      comparison: comparison.optional(),
      assignee: person.optional(),
      /** First seen so long ago or longer. */
      olderThanHours: z.coerce.number().int().min(0).max(87_600).optional(),
    }),
    status: 200,
    reply: pageOf(discrepancy),
  }),
  getDiscrepancy: route({
    id: 'getDiscrepancy',
    method: 'get',
    path: '/v1/discrepancies/{discrepancy}',
    summary: 'Read a discrepancy, and all that has ever happened to it',
    access: 'operator',
    params,
    status: 200,
    reply: discrepancy.extend({ journal: z.array(journalEntry) }),
  }),
  assignDiscrepancy: route({
    id: 'assignDiscrepancy',
    method: 'put',
    path: '/v1/discrepancies/{discrepancy}/assignee',
    summary: 'Give a discrepancy to somebody, or back to nobody',
    access: 'operator',
    params,
    body: deed.extend({ assignee: person.nullable() }),
    status: 200,
    reply: discrepancy,
  }),
  proposeRepair: route({
    id: 'proposeRepair',
    method: 'put',
    path: '/v1/discrepancies/{discrepancy}/proposal',
    summary: 'Say what should be done about a discrepancy that waits for a person, or `dismiss`',
    access: 'operator',
    params,
    body: deed.extend({ action: repairAction.or(z.literal('dismiss')) }),
    status: 200,
    reply: discrepancy,
  }),
  decideRepair: route({
    id: 'decideRepair',
    method: 'put',
    path: '/v1/discrepancies/{discrepancy}/decision',
    summary: 'Order what another has proposed, or send it back',
    access: 'operator',
    params,
    body: deed.extend({ approved: z.boolean() }),
    status: 200,
    reply: discrepancy,
  }),
  ageDiscrepancies: route({
    id: 'ageDiscrepancies',
    method: 'get',
    path: '/v1/discrepancy-ageing',
    summary: 'Count what is open by class, state and age, with what is at stake',
    access: 'operator',
    status: 200,
    reply: z.object({
      items: z.array(
        z.object({
          class: breakClass,
          state: discrepancyState,
          age: z.enum(['hour', 'day', 'three_days', 'older']),
          count: z.int(),
          amountMinor: z.int(),
        }),
      ),
    }),
  }),
  sweepReconciliation: route({
    id: 'sweepReconciliation',
    method: 'post',
    path: '/internal/reconciler/sweeps',
    summary: 'Run what is due, and repair what may be',
    access: 'service',
    body: z.object({}),
    status: 204,
  }),
} as const
