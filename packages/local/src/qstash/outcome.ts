import { retryDelayMs } from './backoff.ts'
import { callbackBody } from './callback-body.ts'
import { bury } from './dead-letters.ts'
import type { Hub } from './hub.ts'
import { admit, finish, returnPermit } from './lifecycle.ts'
import { note } from './logbook.ts'
import type { Callback, Message, Reply, Response } from './model.ts'
import { saveProgress } from './records.ts'

const nonRetryableStatus = 489

/** Records what came of an attempt and decides what is next. The caller commits and pumps. */
export function conclude(hub: Hub, message: Message, reply: Reply): void {
  if (message.envelope.flow !== undefined) returnPermit(hub, message)
  const response = asResponse(reply)
  if (isSuccess(response)) {
    note(hub, message, { state: 'DELIVERED' })
    spawn(hub, message, { callback: message.envelope.callback, response })
    finish(hub, message, 'SUCCESS')
    return
  }
  const error = 'error' in reply ? reply.error : `destination answered ${response.status}`
  if (message.cancelRequested) {
    note(hub, message, { state: 'ERROR', error, response })
    note(hub, message, { state: 'CANCELED' })
    finish(hub, message, 'FAIL')
    return
  }
  if (message.retried < message.envelope.retries && !isNonRetryable(response)) {
    scheduleRetry(hub, message, { error, response })
  } else {
    fail(hub, message, { error, response })
  }
}

type Failure = { readonly error: string; readonly response: Response }

function scheduleRetry(hub: Hub, message: Message, { error, response }: Failure): void {
  const now = hub.now()
  const delay = retryDelayMs({
    retried: message.retried,
    expression: message.envelope.retryDelay,
    header: response.header,
    now,
    maxDelayMs: hub.limits.maxDelayMs,
  })
  const nextDeliveryTime = now + delay
  note(hub, message, { state: 'ERROR', error, response, nextDeliveryTime })
  spawn(hub, message, { callback: message.envelope.callback, response })
  message.retried += 1
  message.dueAt = nextDeliveryTime
  message.phase = 'timed'
  note(hub, message, { state: 'RETRY', nextDeliveryTime })
  saveProgress(hub, message)
  hub.timed.push(message)
}

function fail(hub: Hub, message: Message, { error, response }: Failure): void {
  note(hub, message, { state: 'ERROR', error, response })
  const { callback, failureCallback } = message.envelope
  const { id: dlqId } = bury(hub, message, response)
  note(hub, message, { state: 'FAILED', error })
  spawn(hub, message, { callback, response })
  spawn(hub, message, { callback: failureCallback, response, dlqId })
  finish(hub, message, 'FAIL')
}

type Spawning = {
  readonly callback: Callback | undefined
  readonly response: Response
  readonly dlqId?: string
}

/** Publishes a callback: an ordinary message, which keeps the queue slot of a queued one. */
function spawn(hub: Hub, message: Message, { callback, response, dlqId }: Spawning): void {
  if (callback === undefined) return
  const { url, ...delivery } = callback
  const body = Buffer.from(JSON.stringify(callbackBody(message, response, dlqId)))
  admit(hub, {
    url,
    envelope: {
      ...delivery,
      header: { 'Content-Type': ['application/json'], ...delivery.header },
      body,
      labels: [],
      callerIp: message.envelope.callerIp,
    },
    ...(message.queueName === undefined || !message.holdsSlot
      ? {}
      : { keeps: { queue: message.queueName, id: message.id } }),
  })
}

/** A reply that never came has status 0 and the reason as its body. */
function asResponse(reply: Reply): Response {
  return 'error' in reply ? { status: 0, header: {}, body: Buffer.from(reply.error) } : reply
}

function isSuccess(response: Response): boolean {
  return response.status >= 200 && response.status < 300
}

function isNonRetryable(response: Response): boolean {
  const mark = response.header['Upstash-Nonretryable-Error']?.[0]
  return response.status === nonRetryableStatus && mark?.toLowerCase() === 'true'
}
