import { consumers, type Consumer } from '@stoa/contracts'
import { relay } from '@stoa/contracts/relay'
import type { Service } from '@stoa/http'
import { Fault } from '@stoa/kernel'
import { listDeadLetters, replayDeadLetter, resendEvents } from '@stoa/messaging'

import type { Deps } from '../deps.ts'

/** Nobody of that name listens to events. */
class UnknownConsumerError extends Fault {
  override readonly name = 'UnknownConsumerError'
  override readonly code = 'unknown_consumer'
  override readonly kind = 'invalid_argument'

  constructor(name: string) {
    super(`Cannot find the consumer "${name}": no service of that name listens to events`)
  }
}

function consumerOf(name: string): Consumer {
  const consumer = consumers.find((each) => each === name)
  if (consumer === undefined) throw new UnknownConsumerError(name)
  return consumer
}

/** Serves what operators ask: dead letters, events sent again, events that were given up. */
export function serveLetters(service: Service, { letters, keyspaces, relay: to }: Deps): void {
  service.serve(relay.listDeadLetters, async ({ query }, { call }) => {
    const consumer = consumerOf(query.consumer)
    const found = await listDeadLetters(consumer, query.limit, { deps: letters, call })
    return { letters: [...found] }
  })
  service.serve(relay.replayDeadLetter, async ({ body }, { call, principal }) => {
    await principal()
    const letter = { ...body, consumer: consumerOf(body.consumer) }
    return { outcome: await replayDeadLetter(letter, letters, call) }
  })
  service.serve(relay.resendEvents, async ({ body }, { call, principal }) => {
    await principal()
    const range = { ...body, consumer: consumerOf(body.consumer) }
    return { sent: await resendEvents(range, { ...to, findRows: keyspaces.find }, call) }
  })
  service.serve(relay.reviveEvents, async ({ body }, { call, principal }) => {
    await principal()
    return { revived: await keyspaces.revive(body.events, call) }
  })
}
