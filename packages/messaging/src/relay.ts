import { isEventType } from '@stoa/contracts'
import { type Call, type Clock, type QueuePort, QueueUnavailableError } from '@stoa/kernel'

import type { StoaEvent } from './event.ts'
import { type Parcel, parcelsFor, parcelsOf } from './parcels.ts'

export type RelayDeps = {
  readonly queue: QueuePort
  /** The public address of the gateway, to which every delivery goes. */
  readonly publicUrl: string
  readonly clock: Clock
}

export type Failed = {
  readonly id: string
  readonly error: string
  /** True when the queue refused this very event; false when this version does not know its type. */
  readonly isRefused: boolean
}

export type Outcome = {
  /** Events that every consumer's message was taken for; events without consumers among them. */
  readonly published: readonly string[]
  readonly failed: readonly Failed[]
}

type To = Pick<RelayDeps, 'queue' | 'publicUrl'>

/** A queue that refuses a whole batch may do so for one message of it. */
function isBatchRefused(error: unknown): boolean {
  return error instanceof QueueUnavailableError && error.reason === 'rejected'
}

/**
 * Hands over parcels, and answers an error for each event whose parcel was refused. When the batch is refused as a whole
 * it is halved, and a parcel taken apart, until what is refused is one event.
 */
async function send(
  parcels: readonly Parcel[],
  to: To,
  call: Call,
): Promise<readonly (readonly [string, string])[]> {
  try {
    const answers = await to.queue.publish(
      parcels.map((parcel) => parcel.message),
      call,
    )
    return parcels.flatMap(({ events }, index) => {
      const answer = answers[index]
      if (answer !== undefined && 'messageId' in answer) return []
      return events.map(({ id }) => [id, answer?.error ?? 'the queue gave no answer'] as const)
    })
  } catch (error) {
    if (!isBatchRefused(error)) throw error
    const parts = halves(parcels, to.publicUrl)
    if (parts.length < 2)
      return parcels.flatMap(({ events }) => events.map(({ id }) => [id, 'rejected'] as const))
    const results = []
    for (const part of parts) results.push(await send(part, to, call))
    return results.flat()
  }
}

function halves(parcels: readonly Parcel[], publicUrl: string): readonly (readonly Parcel[])[] {
  if (parcels.length > 1) {
    const middle = Math.ceil(parcels.length / 2)
    return [parcels.slice(0, middle), parcels.slice(middle)]
  }
  const [only] = parcels
  if (only === undefined || only.events.length < 2) return []
  const middle = Math.ceil(only.events.length / 2)
  return [only.events.slice(0, middle), only.events.slice(middle)].map((events) =>
    parcelsFor(only.consumer, events, { publicUrl }),
  )
}

/** Publishes parcels. One round trip. Answers the events that the queue refused. @throws as {@link QueuePort.publish} */
export async function publishParcels(
  parcels: readonly Parcel[],
  to: To,
  call: Call,
): Promise<readonly Failed[]> {
  const errors = new Map(await send(parcels, to, call))
  return [...errors].map(([id, error]) => ({ id, error, isRefused: true }))
}

/** Publishes `events` to all their consumers. One round trip. @throws as {@link QueuePort.publish} */
export async function publishEvents(
  events: readonly StoaEvent[],
  to: To,
  call: Call,
): Promise<Outcome> {
  // Written by a newer version: whoever is told of it, this one cannot know, and must not call it published.
  const strange = events
    .filter(({ type }) => !isEventType(type))
    .map(({ id, type }) => ({
      id,
      error: `no event is of type "${type as string}" here`,
      isRefused: false,
    }))
  const refused = await publishParcels(parcelsOf(events, to.publicUrl), to, call)
  const failed = [...strange, ...refused]
  const ids = new Set(failed.map(({ id }) => id))
  return { published: events.map(({ id }) => id).filter((id) => !ids.has(id)), failed }
}
