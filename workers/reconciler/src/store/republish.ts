import type { Consumer, EventType } from '@stoa/contracts'
import {
  type Call,
  type Clock,
  createIds,
  Fault,
  type QueuePort,
  secureRandom,
  type SqlValue,
} from '@stoa/kernel'
import { inboxUrl, newEvent, type StoaEvent } from '@stoa/messaging'

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

/** As the outbox has it: it was written from an event that was typed. */
function eventOf([
  id,
  type,
  key,
  seq,
  payload,
  cause,
  at,
  headers,
]: readonly SqlValue[]): StoaEvent {
  const { v } = JSON.parse(typeof headers === 'string' ? headers : '{}') as { readonly v?: number }
  return {
    id: String(id),
    type: String(type) as EventType,
    ...(v === undefined ? {} : { v }),
    key: String(key),
    seq: Number(seq),
    cause: String(cause),
    at: Number(at),
    data: JSON.parse(String(payload)) as StoaEvent['data'],
  }
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
    const sql = `SELECT id, type, okey, seq, payload, causation, created_at, headers FROM outbox WHERE id = ?`
    const [found] = await deps
      .readerOf(channel.producer)
      .readMany([{ key, statement: { sql, args: [key] } }], call)
    const [row] = found?.rows ?? []
    if (row === undefined) throw new EventGoneError(key)
    const [{ consumer }] = channel.traces
    await send(deps, { event: eventOf(row), consumer, once }, call)
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
