import { type Consumer, consumers } from '@stoa/contracts'
import {
  type Call,
  type Clock,
  Fault,
  type QueuePort,
  type RouteKey,
  slotOfText,
  slotText,
  type Statement,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import { readEvents, type StoaEvent } from './event.ts'
import { inboxUrl, parcelsFor } from './parcels.ts'
import { publishParcels } from './relay.ts'

/** A message that the queue gave up, as its own dead-letter queue has it. */
export type GivenUp = {
  /** By which the queue forgets it. */
  readonly id: string
  readonly url: string
  readonly body: string
  readonly status: number
  /** What the consumer said last. */
  readonly answer: string
}

/** The queue's own dead-letter queue, which forgets after some days. */
export type GivenUpPort = {
  /** Some of what was given up, oldest first, from after `cursor`. */
  list(
    cursor: string | undefined,
    call: Call,
  ): Promise<{ readonly messages: readonly GivenUp[]; readonly cursor: string | undefined }>
  remove(ids: readonly string[], call: Call): Promise<void>
}

/** One event that a consumer did not take, kept until somebody replays it. */
export type DeadLetter = {
  readonly consumer: Consumer
  /** The aggregate, or the message where no event could be read. */
  readonly key: string
  readonly seq: number
  readonly status: number
  readonly why: string
  /** As it came. */
  readonly item: unknown
  readonly at: number
}

/** Dead letters lie among the parked events of their consumer, under a name that no consumer has. */
export function deadNameOf(consumer: string): string {
  return `dead/${consumer}`
}

/** The most pages of the queue's dead letters that one mirroring reads. */
const pagesMax = 10

/** The longest text of an answer that is kept. */
const whyMax = 500

/** The queue refused an event that was to be sent again; it stays where it was. */
export class ResendRefusedError extends Fault {
  override readonly name = 'ResendRefusedError'
  override readonly code = 'resend_refused'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(event: string, why: string) {
    super(`Cannot send event "${event}" again: the queue says "${why}"`)
  }
}

export type DeadLetterDeps = {
  readonly queue: QueuePort
  readonly publicUrl: string
  readonly clock: Clock
  /** The keyspace of a consumer. */
  readonly keyspace: (consumer: Consumer) => Pick<Router, 'read' | 'write' | 'scatter'>
}

export type Mirrored = {
  /** Events that were kept as dead letters. */
  readonly buried: number
  /** Events of parcels that were taken apart, and sent again each alone. */
  readonly resent: number
}

function itemsOf(body: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(body)
    const isDelivery = typeof parsed === 'object' && parsed !== null && 'events' in parsed
    return isDelivery && Array.isArray(parsed.events) ? parsed.events : [parsed]
  } catch {
    return [body]
  }
}

/** Where the dead letter of an event lies: with its aggregate, or by the message's own name. */
function placeOf(item: unknown, { id }: GivenUp): { readonly key: string; readonly seq: number } {
  const [event] = readEvents([item]).events
  return event === undefined ? { key: id, seq: 1 } : { key: event.key, seq: event.seq }
}

function slotFor(key: string): RouteKey {
  return /^[0-9A-HJKMNP-TV-Z]{20}$/.test(key) ? key : slotText(slotOfText(key))
}

function bury(letter: DeadLetter): { readonly key: RouteKey; readonly statement: Statement } {
  const { consumer, key, seq, status, why, item, at } = letter
  const place = slotFor(key)
  return {
    key: place,
    statement: {
      sql: `INSERT INTO parked (slot, consumer, okey, seq, event, parked_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      args: [place, deadNameOf(consumer), key, seq, JSON.stringify({ item, status, why }), at],
    },
  }
}

async function takeOver(
  message: GivenUp,
  consumer: Consumer,
  { deps, call }: { readonly deps: DeadLetterDeps; readonly call: Call },
): Promise<Mirrored> {
  const items = itemsOf(message.body)
  const { events } = readEvents(items)
  const [only] = items
  if (items.length > 1) {
    // Which of them was the poison is found out by each alone; what was applied already is dropped by the inbox.
    await publishEach(events, { consumer, again: message.id, deps }, call)
    const strange = items.filter((item) => readEvents([item]).events.length === 0)
    for (const [index, item] of strange.entries())
      await keep(item, { ...message, id: `${message.id}.${index}` }, { consumer, deps, call })
    return { buried: strange.length, resent: events.length }
  }
  await keep(only, message, { consumer, deps, call })
  return { buried: 1, resent: 0 }
}

type Keeping = { readonly consumer: Consumer; readonly deps: DeadLetterDeps; readonly call: Call }

async function keep(item: unknown, message: GivenUp, { consumer, deps, call }: Keeping) {
  const letter = bury({
    ...placeOf(item, message),
    consumer,
    item,
    status: message.status,
    why: message.answer.slice(0, whyMax),
    at: deps.clock.now(),
  })
  await deps.keyspace(consumer).write(letter.key, [letter.statement], call)
}

type Sending = {
  readonly consumer: Consumer
  readonly again: string
  readonly deps: DeadLetterDeps
}

async function publishEach(
  events: readonly StoaEvent[],
  { consumer, again, deps }: Sending,
  call: Call,
): Promise<void> {
  const { publicUrl } = deps
  const parcels = events.flatMap((event) => parcelsFor(consumer, [event], { publicUrl, again }))
  const [refused] = await publishParcels(parcels, deps, call)
  if (refused !== undefined) throw new ResendRefusedError(refused.id, refused.error)
}

/** Takes one message over; nothing, when it is not ours. */
async function mirrorOne(
  message: GivenUp,
  deps: DeadLetterDeps,
  call: Call,
): Promise<Mirrored | undefined> {
  // A wake-up that did not reach the relay is of no use any more.
  if (message.url === inboxUrl(deps.publicUrl, 'relay')) return { buried: 0, resent: 0 }
  const consumer = consumers.find((name) => message.url === inboxUrl(deps.publicUrl, name))
  return consumer === undefined ? undefined : takeOver(message, consumer, { deps, call })
}

/**
 * Takes over what the queue gave up: an event that came alone becomes a dead letter, in the keyspace of its consumer;
 * a parcel of several is taken apart and sent again, each alone. Then the queue may forget it. What is not for an
 * inbox of ours stays where it is. Dying between any two steps loses nothing, and doubles nothing.
 *
 * @throws the first failure, after all others were taken over.
 */
export async function mirrorDeadLetters(
  port: GivenUpPort,
  deps: DeadLetterDeps,
  call: Call,
): Promise<Mirrored> {
  let [buried, resent] = [0, 0]
  const failures: unknown[] = []
  let cursor: string | undefined
  for (let page = 0; page < pagesMax; page += 1) {
    const { messages, cursor: next } = await port.list(cursor, call)
    const taken: string[] = []
    for (const message of messages) {
      const done = await mirrorOne(message, deps, call).catch((error: unknown) => {
        failures.push(error)
      })
      if (done === undefined) continue
      buried += done.buried
      resent += done.resent
      taken.push(message.id)
    }
    if (taken.length > 0) await port.remove(taken, call)
    cursor = next
    if (cursor === undefined) break
  }
  if (failures.length > 0) throw failures[0]
  return { buried, resent }
}

/** The oldest dead letters of a consumer. One round trip for each shard of its keyspace. */
export async function listDeadLetters(
  consumer: Consumer,
  limit: number,
  { deps, call }: { readonly deps: DeadLetterDeps; readonly call: Call },
): Promise<readonly DeadLetter[]> {
  const { rows } = await deps.keyspace(consumer).scatter(
    {
      select: (isOwned) => ({
        sql: `SELECT parked_at, okey, seq, event FROM parked
WHERE consumer = ? AND ${isOwned('slot')} ORDER BY parked_at, okey, seq LIMIT ?`,
        args: [deadNameOf(consumer), limit],
      }),
      order: [{ column: 'parked_at' }, { column: 'okey' }, { column: 'seq' }],
      limit,
      unreachable: 'fail',
    },
    call,
  )
  return rows.rows.map(([at, key, seq, event]) => {
    // The row was written by `bury`.
    const kept = JSON.parse(String(event)) as Pick<DeadLetter, 'item' | 'status' | 'why'>
    return { consumer, key: String(key), seq: Number(seq), at: Number(at), ...kept }
  })
}

/**
 * Sends a dead letter to its consumer once more, alone, then forgets it; when it fails again it comes back. False when
 * there is none. Dying in between sends it twice, and the inbox drops the copy.
 */
export async function replayDeadLetter(
  letter: Pick<DeadLetter, 'consumer' | 'key' | 'seq'>,
  deps: DeadLetterDeps,
  call: Call,
): Promise<'sent' | 'unreadable' | 'absent'> {
  const { consumer, key, seq } = letter
  const router = deps.keyspace(consumer)
  const place = slotFor(key)
  const where = 'WHERE slot = ? AND consumer = ? AND okey = ? AND seq = ?'
  const args = [place, deadNameOf(consumer), key, seq]
  const query = { sql: `SELECT event FROM parked ${where}`, args }
  const { rows } = await router.read(place, query, call)
  const [row] = rows
  if (row === undefined) return 'absent'
  const { item } = JSON.parse(String(row[0])) as { readonly item: unknown }
  const { events } = readEvents([item])
  if (events.length === 0) return 'unreadable'
  await publishEach(events, { consumer, again: String(deps.clock.now()), deps }, call)
  await router.write(place, [{ sql: `DELETE FROM parked ${where}`, args }], call)
  return 'sent'
}
