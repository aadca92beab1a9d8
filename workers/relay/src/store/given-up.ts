import type { GivenUp, GivenUpPort } from '@stoa/messaging'
import { z } from 'zod'

/** How many messages a page has. */
const pageSize = 100

const entry = z.object({
  dlqId: z.string(),
  url: z.string(),
  body: z.string().optional(),
  bodyBase64: z.string().optional(),
  responseStatus: z.number().optional(),
  responseBody: z.string().optional(),
})

const page = z.object({ messages: z.array(entry), cursor: z.string().optional() })

function readEntry(one: z.output<typeof entry>): GivenUp {
  return {
    id: one.dlqId,
    url: one.url,
    body: one.body ?? one.bodyBase64 ?? '',
    status: one.responseStatus ?? 0,
    answer: one.responseBody ?? '',
  }
}

export type QueueAccess = { readonly url: string; readonly token: string }

/** QStash's dead-letter queue, over its REST interface. One round trip a call. @throws Error when it does not answer well. */
export function givenUpOf({ url, token }: QueueAccess): GivenUpPort {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(`${url}${path}`, { ...init, headers })
    if (response.ok) return response
    await response.body?.cancel()
    throw new Error(`Cannot reach the dead letters of the queue: it answered ${response.status}`)
  }
  return {
    list: async (cursor, { signal }) => {
      const query = new URLSearchParams({ count: String(pageSize) })
      if (cursor !== undefined) query.set('cursor', cursor)
      const response = await ask(`/v2/dlq?${query.toString()}`, { signal })
      const { messages, cursor: next } = page.parse(await response.json())
      return { messages: messages.map(readEntry), cursor: next === '' ? undefined : next }
    },
    remove: async (ids, { signal }) => {
      const body = JSON.stringify({ dlqIds: ids })
      const response = await ask('/v2/dlq', { method: 'DELETE', body, signal })
      await response.body?.cancel()
    },
  }
}
