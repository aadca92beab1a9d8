import type { Hub } from './hub.ts'
import type { DlqEntry, Envelope, LogEntry, Message, Response, Schedule } from './model.ts'

/** How each change of the state is written down; `restore.ts` reads it back. */

export const rowState = { live: 0, cancelRequested: 1, done: 2 } as const

export function saveMessage(hub: Hub, message: Message): void {
  hub.journal.write('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)', [
    message.seq,
    fixedPart(message),
    message.envelope.body,
    message.dueAt,
    message.retried,
    stateOf(message),
    message.holdsSlot ? 1 : 0,
  ])
}

export function saveProgress(hub: Hub, message: Message): void {
  hub.journal.write('UPDATE message SET due = ?, retried = ?, state = ?, slot = ? WHERE seq = ?', [
    message.dueAt,
    message.retried,
    stateOf(message),
    message.holdsSlot ? 1 : 0,
    message.seq,
  ])
}

export function dropBody(hub: Hub, message: Message): void {
  message.envelope = { ...message.envelope, body: Buffer.alloc(0) }
  hub.journal.write("UPDATE message SET body = x'' WHERE seq = ?", [message.seq])
}

export function forgetMessage(hub: Hub, message: Message): void {
  hub.journal.write('DELETE FROM message WHERE seq = ?', [message.seq])
}

export function saveLog(hub: Hub, entry: LogEntry): void {
  const { time, state, error, nextDeliveryTime, response } = entry
  hub.journal.write('INSERT INTO log VALUES (?, ?, ?)', [
    entry.pos,
    entry.message.seq,
    JSON.stringify({ time, state, error, nextDeliveryTime, response: packResponse(response) }),
  ])
}

export function forgetLogUpTo(hub: Hub, pos: number): void {
  hub.journal.write('DELETE FROM log WHERE pos <= ?', [pos])
}

export function saveDlq(hub: Hub, entry: DlqEntry): void {
  hub.journal.write('INSERT INTO dlq VALUES (?, ?, ?)', [
    entry.id,
    entry.message.seq,
    JSON.stringify({ time: entry.time, response: packResponse(entry.response) }),
  ])
}

export function forgetDlq(hub: Hub, id: string): void {
  hub.journal.write('DELETE FROM dlq WHERE id = ?', [id])
}

export type RecordKind =
  | 'queue'
  | 'flow'
  | 'group'
  | 'schedule'
  | 'schedule-state'
  | 'dedup'
  | 'bulk'
  | 'setting'

export type RecordName = { readonly kind: RecordKind; readonly key: string }

export function saveRecord(hub: Hub, name: RecordName, value: unknown): void {
  hub.journal.write('INSERT OR REPLACE INTO record VALUES (?, ?, ?)', [
    name.kind,
    name.key,
    JSON.stringify(value),
  ])
}

export function forgetRecord(hub: Hub, name: RecordName): void {
  hub.journal.write('DELETE FROM record WHERE kind = ? AND key = ?', [name.kind, name.key])
}

export function saveQueue(hub: Hub, name: string): void {
  const queue = hub.queues.get(name)
  if (queue === undefined) return
  const { createdAt, updatedAt, parallelism, paused } = queue
  const record = { name, createdAt, updatedAt, parallelism, paused }
  saveRecord(hub, { kind: 'queue', key: name }, record)
}

/** What was set by hand on a key: pins and pause. Counters are not stored. */
export function saveFlow(hub: Hub, key: string): void {
  const flow = hub.flowKeys.get(key)
  if (flow === undefined) return
  const { parallelism, rate, period, pinnedParallelism, pinnedRate, paused } = flow
  const record = { parallelism, rate, period, pinnedParallelism, pinnedRate, paused }
  saveRecord(hub, { kind: 'flow', key }, record)
}

export function saveSchedule(hub: Hub, schedule: Schedule): void {
  const { id, cron, destination, createdAt, queueName } = schedule
  const envelope = packEnvelope(schedule.envelope)
  const body = schedule.envelope.body.toString('base64')
  const record = { id, cron, destination, createdAt, queueName, envelope, body }
  saveRecord(hub, { kind: 'schedule', key: id }, record)
  saveScheduleState(hub, schedule)
}

/** The part that each trigger changes, apart from the body, which may be large. */
export function saveScheduleState(hub: Hub, schedule: Schedule): void {
  const { paused, nextAt, lastAt, lastStates } = schedule
  saveRecord(
    hub,
    { kind: 'schedule-state', key: schedule.id },
    { paused, nextAt, lastAt, lastStates },
  )
}

function stateOf(message: Message): number {
  if (message.phase === 'done') return rowState.done
  return message.cancelRequested ? rowState.cancelRequested : rowState.live
}

function fixedPart(message: Message): string {
  const { id, url, createdAt, notBefore, topicName, endpointName } = message
  const { queueName, scheduleId, keeps } = message
  const envelope = packEnvelope(message.envelope)
  const where = { topicName, endpointName, queueName, scheduleId, keeps }
  return JSON.stringify({ id, url, createdAt, notBefore, ...where, envelope })
}

/** All but the body, which is stored as bytes. */
function packEnvelope(envelope: Envelope): Omit<Envelope, 'body'> {
  const { body: _, ...rest } = envelope
  return rest
}

function packResponse(response: Response | undefined): unknown {
  return response === undefined
    ? undefined
    : { ...response, body: response.body.toString('base64') }
}
