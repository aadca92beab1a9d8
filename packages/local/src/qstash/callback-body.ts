import type { Message, Response } from './model.ts'

/**
 * The JSON a callback delivers. `notBefore` and `createdAt` are decimal strings, as the documentation's
 * example has them; unset names are left out.
 *
 * @see https://upstash.com/docs/qstash/features/callbacks
 */
export function callbackBody(message: Message, response: Response, dlqId?: string): unknown {
  const { envelope } = message
  return {
    status: response.status,
    header: response.header,
    body: response.body.toString('base64'),
    retried: message.retried,
    maxRetries: envelope.retries,
    dlqId,
    sourceMessageId: message.id,
    topicName: message.topicName,
    endpointName: message.endpointName,
    url: message.url,
    method: envelope.method,
    sourceHeader: envelope.header,
    sourceBody: envelope.body.toString('base64'),
    notBefore: String(message.notBefore),
    createdAt: String(message.createdAt),
    scheduleId: message.scheduleId,
    callerIP: envelope.callerIp,
  }
}
