import { configure, evictIdle, newFlowKey } from './flow-keys.ts'
import type { FlowKey } from './flow-keys.ts'
import { newId, nextPosition } from './hub.ts'
import type { Hub } from './hub.ts'
import { note } from './logbook.ts'
import type { Envelope, FlowSpec, Message, ScheduleState } from './model.ts'
import { checkName, letGo, newQueue } from './queues.ts'
import type { Queue } from './queues.ts'
import { dropBody, saveMessage, saveProgress, saveQueue, saveScheduleState } from './records.ts'
import { Refusal } from './refusal.ts'

export type Birth = Pick<
  Message,
  'url' | 'envelope' | 'topicName' | 'endpointName' | 'queueName' | 'scheduleId' | 'keeps'
>

/** Accepts a message: from here on it is kept until it is delivered, failed or cancelled. */
export function admit(hub: Hub, birth: Birth): Message {
  const now = hub.now()
  const seq = nextPosition(hub)
  const { envelope } = birth
  const notBefore = Math.max(now, envelope.notBefore ?? now + (envelope.delayMs ?? 0))
  const message: Message = {
    ...birth,
    id: newId(hub, 'msg', seq),
    seq,
    createdAt: now,
    notBefore,
    dueAt: notBefore,
    retried: 0,
    phase: 'timed',
    holdsSlot: false,
    cancelRequested: false,
    lastLog: 0,
    inDlq: false,
  }
  enlist(hub, message)
  if (envelope.flow !== undefined) flowOf(hub, envelope.flow)
  saveMessage(hub, message)
  note(hub, message, { state: 'CREATED' })
  hub.timed.push(message)
  return message
}

/** Enters a live message into the indexes; also used when the state is read back. */
export function enlist(hub: Hub, message: Message): void {
  hub.messages.set(message.id, message)
  hub.pendingBytes += message.envelope.body.length
  if (message.queueName !== undefined) hub.queues.get(message.queueName)?.members.add(message)
  if (message.keeps === undefined) return
  const slots = hub.queues.get(message.keeps.queue)?.slots
  if (slots === undefined) return
  const keepers = slots.get(message.keeps.id) ?? new Set()
  slots.set(message.keeps.id, keepers.add(message.id))
}

/** @throws Refusal 429 when more is pending than memory allows. */
export function checkRoom(hub: Hub, envelope: Envelope, count: number): void {
  const { pendingMessages, pendingBytes } = hub.limits
  const tooMany = hub.messages.size + count > pendingMessages
  if (!tooMany && hub.pendingBytes + envelope.body.length * count <= pendingBytes) return
  throw new Refusal(429, 'too many messages are pending', {
    'RateLimit-Limit': String(pendingMessages),
    'RateLimit-Remaining': '0',
    'RateLimit-Reset': String(Math.ceil(hub.now() / 1000) + 60),
  })
}

/** The queue `name`, made when missing. @throws Refusal 400 on a bad name, 412 when there are too many. */
export function ensureQueue(hub: Hub, name: string): Queue {
  checkName(name, 'queue name')
  const found = hub.queues.get(name)
  if (found !== undefined) return found
  if (hub.queues.size >= hub.limits.queues) {
    throw new Refusal(412, `number of queues exceeds the limit of ${hub.limits.queues}`)
  }
  const queue = newQueue({ name }, hub.now())
  hub.queues.set(name, queue)
  saveQueue(hub, name)
  return queue
}

/** The key of a message, with that message's settings applied. */
export function flowOf(hub: Hub, spec: FlowSpec): FlowKey {
  const flow = ensureFlow(hub, spec.key)
  configure(flow, spec)
  return flow
}

export function ensureFlow(hub: Hub, key: string): FlowKey {
  const found = hub.flowKeys.get(key)
  if (found !== undefined) return found
  const flow = newFlowKey(key)
  hub.flowKeys.set(key, flow)
  evictIdle(hub.flowKeys, hub.now(), hub.limits)
  return flow
}

/** Ends a message's life and frees what it held. */
export function finish(hub: Hub, message: Message, result: ScheduleState): void {
  message.phase = 'done'
  hub.messages.delete(message.id)
  hub.pendingBytes -= message.envelope.body.length
  saveProgress(hub, message)
  if (!message.inDlq && message.envelope.body.length > hub.limits.logBodyBytes)
    dropBody(hub, message)
  if (message.queueName !== undefined) {
    const queue = hub.queues.get(message.queueName)
    queue?.members.delete(message)
    if (queue !== undefined) letGo(queue, message.id, message.id)
  }
  if (message.keeps !== undefined) {
    const queue = hub.queues.get(message.keeps.queue)
    if (queue !== undefined) letGo(queue, message.keeps.id, message.id)
  }
  if (message.scheduleId !== undefined) report(hub, message, result)
}

function report(hub: Hub, message: Message, result: ScheduleState): void {
  const schedule = hub.schedules.get(message.scheduleId ?? '')
  if (schedule === undefined || !(message.id in schedule.lastStates)) return
  schedule.lastStates = { ...schedule.lastStates, [message.id]: result }
  saveScheduleState(hub, schedule)
}

/**
 * Cancels a message. One that waits is removed at once; one that is under way is let finish and only
 * loses its retries. Returns whether this call is the one that cancelled it.
 */
export function cancel(hub: Hub, message: Message): boolean {
  if (message.cancelRequested || message.phase === 'done') return false
  message.cancelRequested = true
  note(hub, message, { state: 'CANCEL_REQUESTED' })
  if (message.phase === 'active') {
    saveProgress(hub, message)
    return true
  }
  if (message.phase === 'ready' && message.envelope.flow !== undefined) returnPermit(hub, message)
  note(hub, message, { state: 'CANCELED' })
  finish(hub, message, 'FAIL')
  return true
}

/** The message no longer counts as under way for its flow-control key. */
export function returnPermit(hub: Hub, message: Message): void {
  const flow = hub.flowKeys.get(message.envelope.flow?.key ?? '')
  if (flow !== undefined) flow.active = Math.max(0, flow.active - 1)
}
