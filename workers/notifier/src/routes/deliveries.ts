import { notifier } from '@stoa/contracts/notifier'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { alarmOf } from '../domain/alarm.ts'
import { DeliveryNotFoundError } from '../domain/delivery.ts'
import { EndpointGoneError } from '../domain/endpoint.ts'
import { moment } from './present.ts'

export function serveDeliveries(service: Service, deps: Deps): void {
  service.serve(notifier.listAttempts, async ({ params }, { call, member }) => {
    const id = parseTypedId('whd', params.delivery)
    const [caller, found] = await Promise.all([member(), deps.deliveries.find(id, call)])
    if (found === undefined || found.member !== caller) throw new DeliveryNotFoundError()
    return { items: found.attempts.map(({ at, ...rest }) => ({ ...rest, at: moment(at) })) }
  })

  service.serve(notifier.acknowledgeDelivery, async ({ params }, { call, member }) => {
    const id = parseTypedId('whd', params.delivery)
    const entry = { id, member: await member(), at: deps.clock.now() }
    if (!(await deps.deliveries.acknowledge(entry, call))) throw new DeliveryNotFoundError()
    return undefined
  })

  service.serve(notifier.resendDelivery, async ({ params }, context) => {
    const id = parseTypedId('whd', params.delivery)
    const [once, caller, found] = await Promise.all([
      context.once(),
      context.member(),
      deps.deliveries.find(id, context.call),
    ])
    if (found === undefined || found.member !== caller) throw new DeliveryNotFoundError()
    if (!found.isActive) throw new EndpointGoneError()
    const resend = { id, asked: found.asked }
    const { event } = alarmOf(resend, deps.clock.now(), deps)
    if (await deps.deliveries.resend(once, { resend, event }, context.call)) context.replayed()
    return { id: params.delivery }
  })
}
