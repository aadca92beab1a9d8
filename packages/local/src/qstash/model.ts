import type { HeaderMap } from './header-names.ts'

export type FlowSpec = {
  readonly key: string
  readonly parallelism?: number | undefined
  readonly rate?: number | undefined
  /** Seconds. */
  readonly period: number
}

export type Redaction = {
  readonly body: boolean
  /** `true`: all; else the canonical names. */
  readonly header: true | readonly string[]
}

/** How one request is made: shared by a message and by its callbacks. */
export type Delivery = {
  readonly method: string
  readonly header: HeaderMap
  readonly retries: number
  readonly retryDelay?: string | undefined
  readonly timeoutMs?: number | undefined
  readonly delayMs?: number | undefined
  /** Unix ms; wins over `delayMs`. */
  readonly notBefore?: number | undefined
}

export type Callback = Delivery & { readonly url: string }

/** All that a publish says apart from where to. Immutable and shared by the messages of a URL group. */
export type Envelope = Delivery & {
  readonly body: Buffer
  readonly callback?: Callback | undefined
  readonly failureCallback?: Callback | undefined
  readonly flow?: FlowSpec | undefined
  readonly labels: readonly string[]
  readonly redact?: Redaction | undefined
  readonly callerIp: string
}

/**
 * Where a message stands. `timed` waits for `dueAt`, `lined` for its queue, `flow` for its flow-control
 * key, `ready` for a free connection, `active` for the reply; `done` is delivered, failed or cancelled.
 */
export type Phase = 'timed' | 'lined' | 'flow' | 'ready' | 'active' | 'done'

export type Message = {
  readonly id: string
  /** Order of acceptance; unique, and the row number. */
  readonly seq: number
  readonly url: string
  readonly createdAt: number
  readonly notBefore: number
  readonly topicName?: string | undefined
  readonly endpointName?: string | undefined
  readonly queueName?: string | undefined
  readonly scheduleId?: string | undefined
  /** Set on a callback: the queued message whose slot stays taken until this one is done. */
  readonly keeps?: { readonly queue: string; readonly id: string } | undefined
  envelope: Envelope
  dueAt: number
  retried: number
  phase: Phase
  holdsSlot: boolean
  cancelRequested: boolean
  /** Position of its newest log entry. */
  lastLog: number
  inDlq: boolean
}

export type LogState =
  | 'CREATED'
  | 'ACTIVE'
  | 'RETRY'
  | 'ERROR'
  | 'DELIVERED'
  | 'FAILED'
  | 'CANCEL_REQUESTED'
  | 'CANCELED'

export type Response = {
  readonly status: number
  readonly header: HeaderMap
  readonly body: Buffer
}

/** What came back: a response, or why there was none. */
export type Reply = Response | { readonly error: string }

export type LogEntry = {
  /** Strictly increasing microseconds: the order of the log, and its cursor. */
  readonly pos: number
  readonly time: number
  readonly state: LogState
  readonly message: Message
  readonly error?: string | undefined
  readonly nextDeliveryTime?: number | undefined
  readonly response?: Response | undefined
}

export type DlqEntry = {
  readonly id: string
  readonly time: number
  readonly message: Message
  readonly response: Response
}

export type Endpoint = { readonly name?: string | undefined; readonly url: string }

export type UrlGroup = {
  readonly name: string
  readonly createdAt: number
  updatedAt: number
  endpoints: readonly Endpoint[]
  /** Default request headers, lower-case names. */
  headers: Readonly<Record<string, string>>
}

export type ScheduleState = 'IN_PROGRESS' | 'SUCCESS' | 'FAIL'

export type Schedule = {
  readonly id: string
  readonly cron: string
  readonly destination: string
  readonly createdAt: number
  readonly envelope: Envelope
  readonly queueName?: string | undefined
  paused: boolean
  /** Unix ms of the next trigger; `undefined` when the pattern never matches again. */
  nextAt: number | undefined
  lastAt: number | undefined
  lastStates: Readonly<Record<string, ScheduleState>>
}

export type BulkAction = {
  readonly actionId: string
  readonly kind: 'cancel'
  readonly state: 'FINISHED'
  readonly total: number
  readonly processed: number
  readonly createdAt: number
  readonly completedAt: number
  readonly filter: Readonly<Record<string, readonly string[]>>
}
