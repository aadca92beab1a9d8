import type { Consumer } from '@stoa/contracts'
import { type Call, type Clock, createIds, Fault, type QueuePort, secureRandom } from '@stoa/kernel'
import { inboxUrl, newEvent, readOutbox, selectEvent, type StoaEvent } from '@stoa/messaging'

import type { Repair } from '../domain/repairs.ts'
import { channels } from './comparisons/events.ts'
import type { ReaderOf } from './pages.ts'

/** What was to be sent again is in no outbox any more. */
export class EventGoneError extends Fault {
  override readonly name = 'EventGoneError'
  override readonly code = 'event_gone'
  override readonly kind = 'failed_precondition'

  constructor(id: string) {
    super(`Cannot send "${id}" again: no outbox has it`)
  }
}

/** The queue would not take what was to be sent again. */
export class ResendRefusedError extends Fault {
  override readonly name = 'ResendRefusedError'
  override readonly code = 'resend_refused'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(id: string, why: string) {
    super(`Cannot send "${id}" again: ${why}`)
  }
}

export type RepublishDeps = {
  readonly queue: QueuePort
  readonly publicUrl: string
  readonly readerOf: ReaderOf
  readonly clock: Clock
}

/** Hands an event to one consumer; the queue drops the same repair asked again, and the consumer what it has. */
async function send(
  { queue, publicUrl }: RepublishDeps,
  {
    event,
    consumer,
    once,
  }: {
    readonly event: StoaEvent
    readonly consumer: Consumer
    readonly once: string
  },
  call: Call,
): Promise<void> {
  const message = {
    url: inboxUrl(publicUrl, consumer),
    body: JSON.stringify({ events: [event] }),
    headers: { 'content-type': 'application/json' },
    deduplicationId: `repair-${once.replaceAll(':', '-')}`,
    label: consumer,
  }
  const [answer] = await queue.publish([message], call)
  if (answer === undefined || 'error' in answer)
    throw new ResendRefusedError(event.id, answer?.error ?? 'the queue gave no answer')
}

/** Sends an event that a consumer lacks to it again, out of its producer's outbox. */
export function resendEvent(deps: RepublishDeps): Repair {
  return async ({ of, key, idempotencyKey: once }, call) => {
    const channel = channels[of]
    if (channel === undefined) throw new EventGoneError(key)
    const [found] = await deps
      .readerOf(channel.producer)
      .readMany([{ key, statement: selectEvent(key) }], call)
    const [row] = found?.rows ?? []
    if (row === undefined) throw new EventGoneError(key)
    const [{ consumer }] = channel.traces
    await send(deps, { event: readOutbox(row), consumer, once }, call)
  }
}

/** Says once more what the newest event of an edge said: its other copy is made anew from it. */
export function retellEdge(deps: RepublishDeps): Repair {
  const ids = createIds({ clock: deps.clock, random: secureRandom })
  return async ({ key, idempotencyKey: once }, call) => {
    const [follower, followee] = [key.slice(0, 20), key.slice(21)]
    const sql = 'SELECT id, version, active, at FROM follow WHERE follower = ? AND followee = ?'
    const [found] = await deps
      .readerOf('social')
      .readMany([{ key: follower, statement: { sql, args: [follower, followee] } }], call)
    const [row] = found?.rows ?? []
    if (row === undefined) throw new EventGoneError(key)
    const [edge, version, active, at] = row
    const type = active === 1 ? 'member.followed' : 'member.unfollowed'
    const source = { key: String(edge), seq: Number(version), at: Number(at), cause: once }
    const event = newEvent(ids, type, { ...source, data: { follower, followee } })
    await send(deps, { event, consumer: 'social', once }, call)
  }
}
