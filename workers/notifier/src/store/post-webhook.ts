import { type Clock, type Fetcher, timeout } from '@stoa/kernel'

import { answerMsMax } from '../domain/attempt-deliveries.ts'
import type { PostWebhook } from '../domain/ports.ts'

/** How much of an answer is read, and how much of it is kept for the merchant to see. */
const readBytesMax = 4_096
const keptCharacters = 500

/** How a body begins; what cannot be read is as if it were not there. */
async function beginningOf(body: ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  while (bytes < readBytesMax) {
    const { done, value } = await reader.read()
    if (done) break
    bytes += value.length
    text += decoder.decode(value, { stream: true })
  }
  // A cancel that fails says nothing about the delivery.
  await reader.cancel().catch(() => undefined)
  return text
}

/**
 * Posts over `send`, within fifteen seconds by `clock`. Follows no redirect, which could lead where no policy looks, and
 * reads no more than the beginning of the answer.
 */
export function postWebhook(send: Fetcher, clock: Clock): PostWebhook {
  return async ({ url, headers, body }, call) => {
    call.signal.throwIfAborted()
    const begun = clock.now()
    const late = timeout(answerMsMax, clock)
    const request = new Request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'Stoa-Webhooks/1', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([call.signal, late]),
    })
    try {
      const response = await send(request)
      const text = await beginningOf(response.body)
      return {
        status: response.status,
        error: undefined,
        text: text.slice(0, keptCharacters),
        retryAfter: response.headers.get('retry-after'),
        begun,
        ended: clock.now(),
      }
    } catch {
      call.signal.throwIfAborted()
      const error = late.aborted ? 'timeout' : 'network'
      return { status: undefined, error, text: '', retryAfter: null, begun, ended: clock.now() }
    }
  }
}
