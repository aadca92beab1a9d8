import { type Clock, type Fetcher, timeout } from '@stoa/kernel'

import { answerMsMax } from '../domain/attempt-deliveries.ts'
import type { PostWebhook } from '../domain/ports.ts'

/**
 * Posts over `send`. Follows no redirect, which could lead where no policy looks, and reads nothing of the answer but
 * its status: what a stranger's server says is stored and shown nowhere.
 */
export function postWebhook(send: Fetcher, clock: Clock): PostWebhook {
  return async ({ url, headers, body }, call) => {
    call.signal.throwIfAborted()
    const request = new Request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'Stoa-Webhooks/1', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([call.signal, timeout(answerMsMax, clock)]),
    })
    try {
      const response = await send(request)
      // A cancel that fails says nothing about the delivery.
      await response.body?.cancel().catch(() => undefined)
      return response.status
    } catch {
      call.signal.throwIfAborted()
      return undefined
    }
  }
}
