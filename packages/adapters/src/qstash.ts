import {
  AmbiguousPublishError,
  BadSignatureError,
  failureOfFetch,
  type Published,
  type QueueMessage,
  type QueuePort,
  type QueueRefusal,
  QueueUnavailableError,
  type QueueVerifier,
} from '@stoa/kernel'
import { Client, QstashError, type PublishBatchRequest, Receiver } from '@upstash/qstash'

export type QstashOptions = {
  readonly url: string
  readonly token: string
  /** The header that carries the request id, here and to the consumer. Default: `x-request-id`. */
  readonly requestIdHeader?: string
}

/**
 * Publishes through QStash's batch endpoint, with the official client. One HTTP request a call, sent
 * once: after a lost reply the caller publishes again with the same deduplication ids.
 *
 * The client cannot be cancelled; an abort stops the waiting, not the request.
 */
export function qstashQueue(options: QstashOptions): QueuePort {
  const header = options.requestIdHeader ?? 'x-request-id'
  return {
    async publish(messages, call) {
      call.signal.throwIfAborted()
      if (messages.length === 0) return []
      const client = clientFor(options, [header, call.requestId])
      let answers: readonly unknown[]
      try {
        answers = await orAborted(client.batch(messages.map(toClient)), call.signal)
      } catch (error) {
        throw faultOf(error)
      }
      if (answers.length !== messages.length) throw new AmbiguousPublishError()
      return answers.map(readAnswer)
    },
  }
}

function clientFor(options: QstashOptions, [header, requestId]: readonly [string, string]): Client {
  const client = new Client({
    baseUrl: options.url,
    token: options.token,
    headers: { [header]: requestId },
    retry: false,
    enableTelemetry: false,
    devMode: false,
  })
  // The client's own headers go with each message; this one goes with the request.
  const { http } = client
  const request = http.request.bind(http)
  http.request = (batch) =>
    request({ ...batch, headers: { 'Content-Type': 'application/json', [header]: requestId } })
  return client
}

function toClient(message: QueueMessage): PublishBatchRequest<string> {
  const { url, body, headers, deduplicationId, retries, label, flowControl } = message
  return {
    url,
    body,
    ...(headers && { headers }),
    ...(deduplicationId !== undefined && { deduplicationId }),
    ...(message.delayMs !== undefined && { delay: Math.ceil(message.delayMs / 1000) }),
    ...(message.notBefore !== undefined && { notBefore: Math.ceil(message.notBefore / 1000) }),
    ...(retries !== undefined && { retries }),
    ...(label !== undefined && { label }),
    ...(flowControl && { flowControl: toFlowControl(flowControl) }),
  }
}

function toFlowControl(flow: NonNullable<QueueMessage['flowControl']>) {
  const { key, parallelism, rate, periodSeconds } = flow
  return {
    key,
    ...(parallelism !== undefined && { parallelism }),
    ...(rate !== undefined && { rate }),
    ...(periodSeconds !== undefined && { period: periodSeconds }),
  } as NonNullable<PublishBatchRequest['flowControl']>
}

function readAnswer(answer: unknown): Published {
  if (typeof answer === 'object' && answer !== null) {
    if ('messageId' in answer && typeof answer.messageId === 'string') {
      return {
        messageId: answer.messageId,
        deduplicated: 'deduplicated' in answer && answer.deduplicated === true,
      }
    }
    if ('error' in answer) return { error: String(answer.error) }
  }
  return { error: 'QStash answered with neither an id nor an error' }
}

/** What `work` gives, or an ambiguous publish as soon as `signal` aborts. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(new AmbiguousPublishError({ cause: signal.reason }))
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function faultOf(error: unknown): Error {
  if (error instanceof AmbiguousPublishError) return error
  const cause = { cause: error }
  if (error instanceof QstashError) {
    const refusal = refusalOf(error.status)
    return refusal ? new QueueUnavailableError(refusal, cause) : new AmbiguousPublishError(cause)
  }
  if (failureOfFetch(error) === 'not_sent') return new QueueUnavailableError('network', cause)
  return new AmbiguousPublishError(cause)
}

function refusalOf(status: number | undefined): QueueRefusal | undefined {
  if (status === 429) return 'rate_limited'
  if (status === 401 || status === 403) return 'unauthorized'
  return status !== undefined && status >= 400 && status < 500 ? 'rejected' : undefined
}

export type QstashKeys = { readonly current: string; readonly next: string }

/** Believes what QStash signed with the current or the next key, for exactly this URL and body. */
export function qstashVerifier(keys: QstashKeys): QueueVerifier {
  const receiver = new Receiver({
    currentSigningKey: keys.current,
    nextSigningKey: keys.next,
    devMode: false,
  })
  return {
    async verify({ signature, body, url }, call) {
      call.signal.throwIfAborted()
      try {
        await receiver.verify({ signature, body, url })
      } catch (cause) {
        throw new BadSignatureError({ cause })
      }
    },
  }
}
