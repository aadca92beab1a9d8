import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'

import type { FlowKey } from './flow-keys.ts'
import { periodEnd } from './flow-keys.ts'
import type { HeaderMap } from './header-names.ts'
import type {
  Callback,
  DlqEntry,
  Envelope,
  LogEntry,
  Message,
  Schedule,
  UrlGroup,
} from './model.ts'
import type { Queue } from './queues.ts'

/** How the API shows things. Fields that are `undefined` vanish in the JSON. Redaction happens here only. */

export function messageView(message: Message): Record<string, unknown> {
  const { envelope } = message
  return {
    messageId: message.id,
    url: message.url,
    topicName: message.topicName,
    endpointName: message.endpointName,
    ...settingsView(envelope),
    ...bodyView(envelope),
    maxRetries: envelope.retries,
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    queueName: message.queueName,
    scheduleId: message.scheduleId,
    callerIP: envelope.callerIp,
  }
}

export function dlqView(entry: DlqEntry): Record<string, unknown> {
  const { response } = entry
  return {
    ...messageView(entry.message),
    dlqId: entry.id,
    responseStatus: response.status,
    responseHeader: response.header,
    ...(isUtf8(response.body)
      ? { responseBody: response.body.toString() }
      : { responseBodyBase64: response.body.toString('base64') }),
  }
}

/**
 * A log entry. The documents and the clients name two fields differently (`responseHeaders` and
 * `responseHeader`, `retryDelayExpression` and `retryDelayExpr`): both are given.
 */
export function logView(entry: LogEntry): Record<string, unknown> {
  const { message, response } = entry
  const { envelope } = message
  const body = envelope.redact?.body
    ? redacted(envelope.body)
    : envelope.body.toString('base64') || undefined
  return {
    time: entry.time,
    messageId: message.id,
    state: entry.state,
    error: entry.error,
    nextDeliveryTime: entry.nextDeliveryTime,
    url: message.url,
    topicName: message.topicName,
    endpointName: message.endpointName,
    queueName: message.queueName,
    scheduleId: message.scheduleId,
    ...settingsView(envelope),
    body,
    callbackHeaders: filled(envelope.callback?.header),
    failureCallbackHeaders: filled(envelope.failureCallback?.header),
    timeout: envelope.timeoutMs,
    maxRetries: envelope.retries,
    retryDelayExpr: envelope.retryDelay,
    responseStatus: response?.status,
    responseHeaders: response?.header,
    responseHeader: response?.header,
    responseBody: response?.body.toString('base64'),
    callerIP: envelope.callerIp,
  }
}

export function scheduleView(schedule: Schedule): Record<string, unknown> {
  const { envelope } = schedule
  return {
    scheduleId: schedule.id,
    cron: schedule.cron,
    createdAt: schedule.createdAt,
    destination: schedule.destination,
    ...settingsView(envelope),
    ...bodyView(envelope),
    retries: envelope.retries,
    delay: envelope.delayMs === undefined ? undefined : envelope.delayMs / 1000,
    callerIP: envelope.callerIp,
    callerIp: envelope.callerIp,
    isPaused: schedule.paused,
    queueName: schedule.queueName,
    lastScheduleTime: schedule.lastAt,
    nextScheduleTime: schedule.nextAt,
    lastScheduleStates:
      Object.keys(schedule.lastStates).length > 0 ? schedule.lastStates : undefined,
  }
}

export function queueView(queue: Queue): Record<string, unknown> {
  const { name, createdAt, updatedAt, parallelism, paused } = queue
  return { name, createdAt, updatedAt, parallelism, lag: queue.members.size, paused }
}

export function groupView(group: UrlGroup): Record<string, unknown> {
  const { name, createdAt, updatedAt, endpoints, headers } = group
  const shown = Object.keys(headers).length > 0 ? headers : undefined
  return { name, createdAt, updatedAt, endpoints, headers: shown }
}

export function flowView(flow: FlowKey, now: number): Record<string, unknown> {
  return {
    flowControlKey: flow.key,
    waitListSize: flow.line.count(),
    parallelismMax: flow.parallelism ?? 0,
    parallelismCount: flow.active,
    rateMax: flow.rate ?? 0,
    rateCount: now < periodEnd(flow) ? flow.rateCount : 0,
    ratePeriod: flow.period,
    ratePeriodStart: Math.floor(flow.periodStart / 1000),
    isPaused: flow.paused,
    isPinnedParallelism: flow.pinnedParallelism,
    isPinnedRate: flow.pinnedRate,
  }
}

/** What messages, log entries and schedules show alike. */
function settingsView(envelope: Envelope): Record<string, unknown> {
  const { flow, labels } = envelope
  return {
    method: envelope.method,
    header: filled(redactedHeader(envelope)),
    retryDelayExpression: envelope.retryDelay,
    ...callbackView('callback', envelope.callback),
    ...callbackView('failureCallback', envelope.failureCallback),
    label: labels[0],
    labels: labels.length > 0 ? labels : undefined,
    flowControlKey: flow?.key,
    parallelism: flow?.parallelism,
    rate: flow?.rate,
    period: flow?.period,
  }
}

function callbackView(name: string, callback: Callback | undefined): Record<string, unknown> {
  if (callback === undefined) return {}
  return { [name]: callback.url, [`${name}Header`]: filled(callback.header) }
}

function bodyView({ body, redact }: Envelope): Record<string, unknown> {
  if (body.length === 0) return {}
  if (redact?.body) return { body: redacted(body) }
  return isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }
}

function redactedHeader({ header, redact }: Envelope): HeaderMap {
  if (redact === undefined) return header
  const hidden = redact.header
  const hide = (name: string) => hidden === true || hidden.includes(name)
  return Object.fromEntries(
    Object.entries(header).map(([name, values]) => [
      name,
      hide(name) ? values.map(redacted) : values,
    ]),
  )
}

function redacted(value: string | Uint8Array): string {
  return `REDACTED:${createHash('sha256').update(value).digest('hex')}`
}

function filled(header: HeaderMap | undefined): HeaderMap | undefined {
  return header !== undefined && Object.keys(header).length > 0 ? header : undefined
}
