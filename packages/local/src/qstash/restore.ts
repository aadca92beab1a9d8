import { isAnyArrayBuffer } from 'node:util/types'

import { sizeOf } from './dead-letters.ts'
import { newFlowKey } from './flow-keys.ts'
import type { Hub, Remembered } from './hub.ts'
import type { Row } from './journal.ts'
import { enlist, flowOf } from './lifecycle.ts'
import type {
  BulkAction,
  DlqEntry,
  Envelope,
  LogEntry,
  Message,
  Response,
  Schedule,
  UrlGroup,
} from './model.ts'
import { holdSlot, newQueue } from './queues.ts'
import type { QueueSettings } from './queues.ts'
import { rowState } from './records.ts'
import type { RecordKind } from './records.ts'
import { refreshScheduleWake } from './schedules.ts'
import type { SigningKeys } from './signing-keys.ts'

/**
 * Reads the state back. What was under way when the process ended is due again: it may be delivered
 * twice, but what was recorded as delivered is not.
 */
export function restore(hub: Hub): void {
  for (const row of hub.journal.read('SELECT kind, key, value FROM record ORDER BY kind, key'))
    restoreRecord(hub, row)
  sortByExpiry(hub.remembered)
  const bySeq = new Map<number, Message>()
  for (const row of hub.journal.read('SELECT * FROM message ORDER BY seq')) {
    const message = restoreMessage(row)
    bySeq.set(message.seq, message)
    if (message.phase !== 'done') revive(hub, message)
  }
  for (const row of hub.journal.read('SELECT * FROM log ORDER BY pos')) restoreLog(hub, row, bySeq)
  const dead = hub.journal.read('SELECT * FROM dlq').map((row) => restoreDead(row, bySeq))
  for (const entry of dead.filter((one) => one !== undefined).toSorted(byId)) {
    entry.message.inDlq = true
    hub.dlq.set(entry.id, entry)
    hub.dlqBytes += sizeOf(entry)
  }
  for (const seq of bySeq.keys()) hub.lastPosition = Math.max(hub.lastPosition, seq)
  hub.lastPosition = Math.max(hub.lastPosition, hub.log.at(-1)?.pos ?? 0)
  refreshScheduleWake(hub)
}

function sortByExpiry(remembered: Map<string, Remembered>): void {
  const entries = [...remembered].toSorted(([, a], [, b]) => a.expiresAt - b.expiresAt)
  remembered.clear()
  for (const [key, entry] of entries) remembered.set(key, entry)
}

/** A cancelled message that was under way is not sent again. */
function revive(hub: Hub, message: Message): void {
  if (message.cancelRequested) {
    message.phase = 'done'
    hub.journal.write('UPDATE message SET state = ? WHERE seq = ?', [rowState.done, message.seq])
    return
  }
  enlist(hub, message)
  if (message.envelope.flow !== undefined) flowOf(hub, message.envelope.flow)
  const queue = message.queueName === undefined ? undefined : hub.queues.get(message.queueName)
  if (queue !== undefined && message.holdsSlot) holdSlot(queue, message)
  hub.timed.push(message)
}

function restoreMessage(row: Row): Message {
  const { envelope, ...fixed } = json(row['fixed']) as Omit<Message, 'envelope'> & {
    readonly envelope: Omit<Envelope, 'body'>
  }
  const state = Number(row['state'])
  return {
    ...fixed,
    envelope: { ...envelope, body: bytes(row['body']) },
    seq: Number(row['seq']),
    dueAt: Number(row['due']),
    retried: Number(row['retried']),
    phase: state === rowState.done ? 'done' : 'timed',
    holdsSlot: row['slot'] === 1,
    cancelRequested: state === rowState.cancelRequested,
    lastLog: 0,
    inDlq: false,
  }
}

type PackedResponse = Omit<Response, 'body'> & { readonly body: string }

function restoreLog(hub: Hub, row: Row, bySeq: ReadonlyMap<number, Message>): void {
  const message = bySeq.get(Number(row['seq']))
  if (message === undefined) return
  const { response, ...entry } = json(row['entry']) as Omit<LogEntry, 'response'> & {
    readonly response?: PackedResponse
  }
  const pos = Number(row['pos'])
  message.lastLog = pos
  hub.log.push({ ...entry, response: response && unpack(response), pos, message })
}

function restoreDead(row: Row, bySeq: ReadonlyMap<number, Message>): DlqEntry | undefined {
  const message = bySeq.get(Number(row['seq']))
  if (message === undefined) return undefined
  const { time, response } = json(row['entry']) as { time: number; response: PackedResponse }
  return { id: String(row['id']), time, message, response: unpack(response) }
}

function byId(a: DlqEntry, b: DlqEntry): number {
  const [aTime = 0, aCount = 0] = a.id.split('-').map(Number)
  const [bTime = 0, bCount = 0] = b.id.split('-').map(Number)
  return aTime - bTime || aCount - bCount
}

function restoreRecord(hub: Hub, row: Row): void {
  const kind = String(row['kind']) as RecordKind
  const key = String(row['key'])
  switch (kind) {
    case 'queue': {
      const saved = json(row['value']) as QueueSettings & { createdAt: number; updatedAt: number }
      hub.queues.set(key, { ...newQueue(saved, saved.createdAt), updatedAt: saved.updatedAt })
      return
    }
    case 'flow':
      hub.flowKeys.set(key, { ...newFlowKey(key), ...(json(row['value']) as object) })
      return
    case 'group':
      hub.groups.set(key, json(row['value']) as UrlGroup)
      return
    case 'schedule':
      restoreSchedule(hub, row)
      return
    case 'schedule-state':
      restoreScheduleState(hub, row)
      return
    case 'dedup':
      hub.remembered.set(key, json(row['value']) as Remembered)
      return
    case 'bulk':
      hub.bulkActions.set(key, json(row['value']) as BulkAction)
      return
    case 'setting':
      if (key === 'signing-keys') hub.keys = json(row['value']) as SigningKeys
  }
}

type SavedSchedule = Omit<Schedule, 'envelope'> & {
  readonly envelope: Omit<Envelope, 'body'>
  readonly body: string
}

function restoreSchedule(hub: Hub, row: Row): void {
  const { body, envelope, ...rest } = json(row['value']) as SavedSchedule
  hub.schedules.set(rest.id, {
    ...rest,
    envelope: { ...envelope, body: Buffer.from(body, 'base64') },
    paused: false,
    nextAt: undefined,
    lastAt: undefined,
    lastStates: {},
  })
}

/** Rows come in order of kind, so the schedule itself is there already. */
function restoreScheduleState(hub: Hub, row: Row): void {
  const schedule = hub.schedules.get(String(row['key']))
  if (schedule !== undefined) Object.assign(schedule, json(row['value']) as object)
}

function unpack(response: PackedResponse): Response {
  return { ...response, body: Buffer.from(response.body, 'base64') }
}

/** Our own rows: `records.ts` wrote them, so their shape is known and each caller states it. */
function json(value: unknown): unknown {
  return JSON.parse(String(value))
}

/** The package gives blobs as array buffers. */
function bytes(value: unknown): Buffer {
  if (!isAnyArrayBuffer(value)) throw new Error('qstash.db is damaged: a message body is no blob')
  return Buffer.from(value)
}
