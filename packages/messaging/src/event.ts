import { type EventData, events, type EventType, isEventType } from '@stoa/contracts'
import { type Ids, slotOfId } from '@stoa/kernel'
import { z } from 'zod'

/** Something that happened, as it travels. Its id carries its owner, so that it lies in its owner's shard. */
export type StoaEvent<T extends EventType = EventType> = {
  readonly id: string
  readonly type: T
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
  return { id: ids.child(source.key), type, ...source, data }
}

const envelope = z.object({
  id: z.string().refine((id) => isId(id)),
  type: z.string(),
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

/** What could not be read of a delivery, and never will be: it is poison, and no retry helps. */
export type Unreadable = { readonly id: string; readonly why: string }

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
  if (!parsed.success) return { id: 'unknown', why: parsed.error.message }
  const { type, data, ...rest } = parsed.data
  if (!isEventType(type)) return { id: rest.id, why: `no event is of type "${type}"` }
  const checked = events[type].data.safeParse(data)
  if (!checked.success) return { id: rest.id, why: checked.error.message }
  return { ...rest, type, data: checked.data }
}

/** Narrows an event to one type, its data with it. */
export function isOf<T extends EventType>(event: StoaEvent, type: T): event is StoaEvent<T> {
  return event.type === type
}
