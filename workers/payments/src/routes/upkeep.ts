import { payments } from '@stoa/contracts/payments'
import type { Service } from '@stoa/http'
import { typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { sweepPayments } from '../domain/sweep.ts'

/** What other services ask for: the cron its sweep, the reconciler the provider's word on a day. */
export function serveUpkeep(service: Service, deps: Deps): void {
  service.serve(payments.sweepPayments, async (_input, { call }) => {
    const { stuck, ...counts } = await sweepPayments(deps.sweep, call)
    return { ...counts, stuck: stuck.map((id) => typedId('trf', id)) }
  })

  service.serve(payments.getPaymentStatement, async ({ params }, { call }) => {
    const lines = await deps.providers.named(params.provider).statement(params.day, call)
    return {
      items: lines.map(({ ref, at, ...line }) => ({
        ...line,
        payment: ref,
        at: new Date(at).toISOString(),
      })),
    }
  })
}
