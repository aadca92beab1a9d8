import { notifier } from '@stoa/contracts/notifier'
import type { Service } from '@stoa/http'

import type { Deps } from '../deps.ts'
import type { MerchantEvent } from '../domain/merchant-event.ts'
import { webhookType } from './present.ts'

function present({ seq, type, payload }: MerchantEvent) {
  // The payload is what `payloadOf` made.
  const { timestamp, data } = JSON.parse(payload) as {
    readonly timestamp: string
    readonly data: Readonly<Record<string, unknown>>
  }
  return { seq, type: webhookType(type), timestamp, data }
}

export function serveEvents(service: Service, deps: Deps): void {
  service.serve(notifier.listMerchantEvents, async ({ query }, context) => {
    const { after, since, limit } = query
    const from = since === undefined ? 0 : Math.max(0, Date.parse(since))
    const request = { member: await context.member(), after, since: from, limit }
    const { events, latest } = await deps.events.after(request, context.call)
    return { items: events.map(present), latest }
  })
}
