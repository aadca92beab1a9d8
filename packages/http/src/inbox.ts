import { type Consumer } from '@stoa/contracts'
import { BadSignatureError, type Call, isFault, type QueueVerifier } from '@stoa/kernel'
import { inboxUrl, readEvents, type StoaEvent } from '@stoa/messaging'
import { z } from 'zod'

import { parseJson, readBytes } from './body.ts'
import { problemResponse } from './problem.ts'
import { callOf, requestIdOf, type Service } from './service.ts'

/** The largest delivery: 100 events with room, and what the queue itself takes on its smallest plan. */
const deliveryBytesMax = 1_048_576

/** Tells QStash to give up at once and keep the message in its dead-letter queue. */
const poisonStatus = 489

const delivery = z.object({ events: z.array(z.unknown()).min(1).max(100) })

export type InboxOptions = {
  readonly consumer: Consumer
  /** The address that deliveries were published to; never the one a request claims. */
  readonly publicUrl: string
  readonly verifier: QueueVerifier
  /** Applies the events, each exactly once however often it comes. Throws when some must come again. */
  readonly apply: (events: readonly StoaEvent[], call: Call) => Promise<void>
  readonly report: (error: unknown, requestId: string) => void
}

/** `reasons` are the codes of what could not be read, such as `event_version_unknown`. */
function poison(why: string, reasons: readonly string[], requestId: string): Response {
  return Response.json(
    {
      type: '/problems/poison',
      title: 'poison',
      status: poisonStatus,
      code: 'poison',
      reasons,
      detail: why,
      instance: `urn:request:${requestId}`,
    },
    {
      status: poisonStatus,
      headers: { 'content-type': 'application/problem+json', 'upstash-nonretryable-error': 'true' },
    },
  )
}

async function receive(request: Request, options: InboxOptions): Promise<Response> {
  const call = callOf(request)
  const bytes = await readBytes(request, deliveryBytesMax)
  const signature = request.headers.get('upstash-signature')
  if (signature === null) throw new BadSignatureError()
  const body = new TextDecoder().decode(bytes)
  const url = inboxUrl(options.publicUrl, options.consumer)
  await options.verifier.verify({ signature, body, url }, call)
  const parsed = delivery.safeParse(parseJson(bytes))
  if (!parsed.success) return poison(parsed.error.message, ['delivery_malformed'], call.requestId)
  const { events, unreadable } = readEvents(parsed.data.events)
  if (events.length > 0) await options.apply(events, call)
  const [first] = unreadable
  if (first !== undefined) {
    return poison(
      `${unreadable.length} of ${parsed.data.events.length}: ${first.id}: ${first.why}`,
      [...new Set(unreadable.map(({ code }) => code))],
      call.requestId,
    )
  }
  return Response.json({ applied: events.length })
}

/**
 * A failure, as the queue is told of it. It obeys `Retry-After`: the second that is good for a person would burn all
 * its retries in a short outage, so that only a fault which knows better overrides the queue's own growing waits.
 */
function refusal(error: unknown, requestId: string): Response {
  const response = problemResponse(error, requestId)
  if (!isFault(error) || error.retryAfterMs === undefined) response.headers.delete('retry-after')
  return response
}

/**
 * Serves `POST /_inbox/<consumer>`: verifies the queue's signature over the raw body, then applies the events. What
 * can never be read is answered with 489, which moves the message to the dead-letter queue after the rest was applied.
 */
export function serveInbox({ app }: Service, options: InboxOptions): void {
  app.post(`/_inbox/${options.consumer}`, async (c) => {
    try {
      return await receive(c.req.raw, options)
    } catch (error) {
      const requestId = requestIdOf(c.req.raw)
      if (!isFault(error)) options.report(error, requestId)
      return refusal(error, requestId)
    }
  })
}
