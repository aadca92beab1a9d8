import { DueHeap } from './due-heap.ts'
import type { FlowKey } from './flow-keys.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import { Line } from './line.ts'
import type { BulkAction, DlqEntry, LogEntry, Message, Schedule, UrlGroup } from './model.ts'
import type { Queue } from './queues.ts'
import type { SigningKeys } from './signing-keys.ts'
import type { Send } from './transport.ts'

/** A delivery under way. */
export type Flight = {
  readonly deadline: number
  readonly abort: AbortController
  /** Resolves when the outcome is recorded. */
  readonly done: Promise<void>
}

/** What a publish answered, kept for its deduplication id. */
export type Remembered = {
  readonly items: readonly { readonly messageId: string; readonly url?: string | undefined }[]
  readonly isGroup: boolean
  readonly expiresAt: number
}

/**
 * The whole state of the engine. Plain data: no timers, no sockets; time, chance, sending and storing
 * are passed in. Functions of the neighbouring files move it.
 */
export type Hub = {
  readonly limits: Limits
  readonly token: string
  readonly now: () => number
  readonly random: () => number
  readonly send: Send
  readonly journal: Journal
  /** Called when work may have become due earlier than was known. */
  wake: () => void
  keys: SigningKeys
  /** Not yet done, by id. */
  readonly messages: Map<string, Message>
  readonly timed: DueHeap
  readonly ready: Line
  readonly flights: Map<string, Flight>
  readonly queues: Map<string, Queue>
  readonly flowKeys: Map<string, FlowKey>
  /** Keys with messages waiting. */
  readonly busyFlows: Set<FlowKey>
  readonly groups: Map<string, UrlGroup>
  readonly schedules: Map<string, Schedule>
  nextScheduleAt: number | undefined
  /** Oldest first. */
  readonly log: LogEntry[]
  /** Oldest first. */
  readonly dlq: Map<string, DlqEntry>
  dlqBytes: number
  /** Oldest first: all live equally long. */
  readonly remembered: Map<string, Remembered>
  readonly bulkActions: Map<string, BulkAction>
  lastPosition: number
  pendingBytes: number
  /** Set when the engine stops: replies that still come in are not recorded. */
  closed: boolean
}

export type HubParts = Pick<
  Hub,
  'limits' | 'token' | 'now' | 'random' | 'send' | 'journal' | 'keys'
>

export function newHub(parts: HubParts): Hub {
  return {
    ...parts,
    wake: () => undefined,
    messages: new Map(),
    timed: new DueHeap(),
    ready: new Line('ready'),
    flights: new Map(),
    queues: new Map(),
    flowKeys: new Map(),
    busyFlows: new Set(),
    groups: new Map(),
    schedules: new Map(),
    nextScheduleAt: undefined,
    log: [],
    dlq: new Map(),
    dlqBytes: 0,
    remembered: new Map(),
    bulkActions: new Map(),
    lastPosition: 0,
    pendingBytes: 0,
    closed: false,
  }
}

/** A strictly increasing number close to the time in microseconds: orders messages and log entries. */
export function nextPosition(hub: Hub): number {
  hub.lastPosition = Math.max(Math.floor(hub.now() * 1000), hub.lastPosition + 1)
  return hub.lastPosition
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `length` characters of base 62. */
export function randomText(hub: Hub, length: number): string {
  let text = ''
  for (let at = 0; at < length; at += 1) {
    text += alphabet[Math.floor(hub.random() * alphabet.length)] ?? '0'
  }
  return text
}

/** Unique even when chance repeats itself, because the position never does. */
export function newId(hub: Hub, prefix: string, position: number): string {
  return `${prefix}_${position.toString(36)}${randomText(hub, 16)}`
}
