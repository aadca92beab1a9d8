import { expireDeadLetters } from './dead-letters.ts'
import { flowWakeAt, takePermit } from './flow-keys.ts'
import { isHopByHop } from './header-names.ts'
import { newId, nextPosition } from './hub.ts'
import type { Hub } from './hub.ts'
import { flowOf } from './lifecycle.ts'
import { note } from './logbook.ts'
import type { Message, Reply } from './model.ts'
import { conclude } from './outcome.ts'
import { takeTurn } from './queues.ts'
import { fireSchedules } from './schedules.ts'
import { sign } from './signature.ts'
import { sendsBody } from './transport.ts'

/**
 * Does all that is due now: fires schedules, ends deliveries that took too long, lets messages through
 * the gates (time, queue, flow control, free connection) and starts their deliveries.
 */
export function pump(hub: Hub): void {
  if (hub.closed) return
  const now = hub.now()
  fireSchedules(hub)
  expireDeadLetters(hub)
  for (const flight of hub.flights.values()) {
    if (flight.deadline <= now) flight.abort.abort(new Error('delivery timed out'))
  }
  for (;;) {
    const message = hub.timed.pop(now)
    if (message === undefined) break
    const queue = message.queueName === undefined ? undefined : hub.queues.get(message.queueName)
    if (queue === undefined || message.holdsSlot) admitToFlow(hub, message)
    else queue.line.push(message)
  }
  for (const queue of hub.queues.values())
    drain(
      () => takeTurn(queue),
      (next) => admitToFlow(hub, next),
    )
  for (const flow of hub.busyFlows) {
    drain(
      () => takePermit(flow, now),
      (next) => hub.ready.push(next),
    )
    if (flow.line.peek() === undefined) hub.busyFlows.delete(flow)
  }
  while (hub.flights.size < hub.limits.parallelism) {
    const message = hub.ready.shift()
    if (message === undefined) return
    begin(hub, message)
  }
}

/** When {@link pump} has something to do next; `undefined` when only a request can bring work. */
export function nextWakeAt(hub: Hub): number | undefined {
  let at = earlier(hub.timed.nextAt(), hub.nextScheduleAt)
  for (const flow of hub.busyFlows) at = earlier(at, flowWakeAt(flow))
  for (const flight of hub.flights.values()) {
    if (!flight.abort.signal.aborted) at = earlier(at, flight.deadline)
  }
  return at
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}

function drain(take: () => Message | undefined, pass: (message: Message) => void): void {
  for (;;) {
    const message = take()
    if (message === undefined) return
    pass(message)
  }
}

function admitToFlow(hub: Hub, message: Message): void {
  const spec = message.envelope.flow
  if (spec === undefined) {
    hub.ready.push(message)
    return
  }
  // A key may have been forgotten while its message waited for a retry.
  const flow = hub.flowKeys.get(spec.key) ?? flowOf(hub, spec)
  flow.line.push(message)
  hub.busyFlows.add(flow)
}

function begin(hub: Hub, message: Message): void {
  const { envelope } = message
  const longest = hub.limits.responseTimeoutMs
  const abort = new AbortController()
  message.phase = 'active'
  note(hub, message, { state: 'ACTIVE' })
  const body = sendsBody(envelope.method) ? envelope.body : Buffer.alloc(0)
  const reply = hub.send({
    url: message.url,
    method: envelope.method,
    headers: deliveryHeaders(hub, message, body),
    body,
    signal: abort.signal,
  })
  hub.flights.set(message.id, {
    deadline: hub.now() + Math.min(envelope.timeoutMs ?? longest, longest),
    abort,
    done: land(hub, message, reply),
  })
}

/** Waits for the reply, stores the outcome, and only then lets others take the freed place. */
async function land(hub: Hub, message: Message, pending: Promise<Reply>): Promise<void> {
  const reply = await pending
  if (hub.closed) return
  conclude(hub, message, reply)
  try {
    await hub.journal.commit()
  } catch {
    // The disk refused. The writes are kept and go out with the next commit; until then a crash
    // delivers this message again, which at-least-once allows.
  }
  hub.flights.delete(message.id)
  hub.wake()
}

function deliveryHeaders(hub: Hub, message: Message, body: Buffer): [string, string][] {
  const { envelope } = message
  const headers: [string, string][] = []
  for (const [name, values] of Object.entries(envelope.header)) {
    if (isHopByHop(name) || reserved.has(name)) continue
    for (const value of values) headers.push([name, value])
  }
  const position = nextPosition(hub)
  const tokenId = newId(hub, '', position).slice(1)
  const claims = { url: message.url, body, nowMs: hub.now(), tokenId }
  headers.push(
    ['User-Agent', 'Upstash-QStash'],
    ['Upstash-Message-Id', message.id],
    ['Upstash-Retried', String(message.retried)],
    ['Upstash-Signature', sign(claims, hub.keys.current)],
    ['Upstash-Caller-Ip', envelope.callerIp],
  )
  if (message.topicName !== undefined) headers.push(['Upstash-Topic-Name', message.topicName])
  if (message.scheduleId !== undefined) headers.push(['Upstash-Schedule-Id', message.scheduleId])
  return headers
}

/** What QStash itself says on a delivery; a forwarded header of the same name gives way. */
const reserved = new Set([
  'User-Agent',
  'Upstash-Message-Id',
  'Upstash-Retried',
  'Upstash-Signature',
  'Upstash-Caller-Ip',
  'Upstash-Topic-Name',
  'Upstash-Schedule-Id',
])
