import { callOf, problemResponse, readBytes, requestIdOf, type Service } from '@stoa/http'
import { BadSignatureError, type Call, isFault, type QueueVerifier, rootCall } from '@stoa/kernel'
import { inboxUrl } from '@stoa/messaging'
import { z } from 'zod'

import type { Range } from '../domain/fan-out.ts'

const bodyBytesMax = 10_000

const wakeUp = z.object({
  wake: z.object({ from: z.string().nullable(), to: z.string().nullable() }),
})

export type WakeOptions = {
  readonly publicUrl: string
  readonly verifier: QueueVerifier
  readonly sweep: (range: Range, call: Call) => Promise<object>
  readonly report: (error: unknown, requestId: string) => void
}

async function receive(request: Request, options: WakeOptions): Promise<Response> {
  const call = callOf(request)
  const body = new TextDecoder().decode(await readBytes(request, bodyBytesMax))
  const signature = request.headers.get('upstash-signature')
  if (signature === null) throw new BadSignatureError()
  await options.verifier.verify(
    { signature, body, url: inboxUrl(options.publicUrl, 'relay') },
    call,
  )
  // It was signed for this address: the relay itself wrote it.
  const { wake } = wakeUp.parse(JSON.parse(body))
  // A sweep has an end of its own; that of a request would come in the midst of it, and look like failing databases.
  return Response.json(await options.sweep(wake, rootCall(call.requestId)))
}

/** Serves `POST /_inbox/relay`: the wake-ups by which a tick spreads its work over several invocations. */
export function serveWakes({ app }: Service, options: WakeOptions): void {
  app.post('/_inbox/relay', async (c) => {
    try {
      return await receive(c.req.raw, options)
    } catch (error) {
      const requestId = requestIdOf(c.req.raw)
      if (!isFault(error)) options.report(error, requestId)
      return problemResponse(error, requestId)
    }
  })
}
