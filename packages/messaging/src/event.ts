import { type EventData, events, type EventType, isEventType } from '@stoa/contracts'
import { upgraded, versionOf } from '@stoa/contracts/events'
import { type Ids, slotOfId } from '@stoa/kernel'
import { z } from 'zod'

/** Something that happened, as it travels. Its id carries its owner, so that it lies in its owner's shard. */
export type StoaEvent<T extends EventType = EventType> = {
  readonly id: string
  readonly type: T
  /** The version of its contract; absent for the first. */
  readonly v?: number
  /** The id of the aggregate it happened to. */
  readonly key: string
  /** The aggregate's version after it: the order of a key's events, whatever order they arrive in. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** The event or request that led to it. */
  readonly cause: string
  readonly data: EventData<T>
}

export type EventSource = {
  readonly key: string
  readonly seq: number
  readonly at: number
  readonly cause: string
}

/** A new event of `type`, in the slot of its aggregate. */
export function newEvent<T extends EventType>(
  ids: Ids,
  type: T,
  { data, ...source }: EventSource & { readonly data: EventData<T> },
): StoaEvent<T> {
  const version = versionOf(type)
  return {
    id: ids.child(source.key),
    type,
    ...(version === 1 ? {} : { v: version }),
    ...source,
    data,
  }
}

const envelope = z.object({
  id: z.string().refine((id) => isId(id)),
  type: z.string(),
  v: z.int().min(1).optional(),
  key: z.string().length(20),
  seq: z.int().min(1),
  at: z.int().min(0),
  cause: z.string().max(200),
  data: z.unknown(),
})

function isId(text: string): boolean {
  try {
    return slotOfId(text) >= 0
  } catch {
    return false
  }
}

/** Why an event cannot be read: what stands on the wire and in dead letters. */
export type UnreadableCode =
  | 'event_malformed'
  | 'event_type_unknown'
  | 'event_version_unknown'
  | 'event_data_invalid'

/** What could not be read of a delivery, and never will be by this version: it is poison, and no retry helps. */
export type Unreadable = {
  readonly id: string
  readonly code: UnreadableCode
  readonly why: string
}

/** The events of a delivery, and what in it is none. */
export function readEvents(items: readonly unknown[]): {
  readonly events: readonly StoaEvent[]
  readonly unreadable: readonly Unreadable[]
} {
  const good: StoaEvent[] = []
  const unreadable: Unreadable[] = []
  for (const item of items) {
    const read = readEvent(item)
    if ('why' in read) unreadable.push(read)
    else good.push(read)
  }
  return { events: good, unreadable }
}

function readEvent(item: unknown): StoaEvent | Unreadable {
  const parsed = envelope.safeParse(item)
  if (!parsed.success) return { id: 'unknown', code: 'event_malformed', why: parsed.error.message }
  const { type, data, v = 1, ...rest } = parsed.data
  if (!isEventType(type))
    return { id: rest.id, code: 'event_type_unknown', why: `no event is of type "${type}"` }
  const newest = versionOf(type)
  if (v > newest) {
    const why = `"${type}" is known up to version ${newest}, not ${v}`
    return { id: rest.id, code: 'event_version_unknown', why }
  }
  const checked = events[type].data.safeParse(upgraded(type, v, data))
  if (!checked.success)
    return { id: rest.id, code: 'event_data_invalid', why: checked.error.message }
  return { ...rest, type, ...(newest === 1 ? {} : { v: newest }), data: checked.data }
}

/** Narrows an event to one type, its data with it. */
export function isOf<T extends EventType>(event: StoaEvent, type: T): event is StoaEvent<T> {
  return event.type === type
}
