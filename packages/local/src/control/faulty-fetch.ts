import { type Faults, pause, type Rule } from './faults.ts'

async function spoilt(
  rule: Rule,
  faults: Faults,
  send: () => Promise<Response>,
): Promise<Response> {
  switch (rule.action) {
    case 'drop-request':
    case 'partition':
      throw new TypeError('fetch failed: the fault rules dropped the delivery')
    case 'drop-reply': {
      const response = await send()
      await response.body?.cancel()
      throw new TypeError('fetch failed: the fault rules dropped the reply')
    }
    case 'delay':
      await pause(rule.delayMs)
      return send()
    case 'reorder':
      await faults.untilNext(rule)
      return send()
    case 'duplicate': {
      const [first, second] = await Promise.all([send(), send()])
      await second.body?.cancel()
      return first
    }
    case 'error':
      return new Response('the fault rules answered', { status: rule.status })
    case 'crash':
      if (rule.when === 'after') await send()
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => undefined)
  }
}

/** `fetch` with the fault rules of direction `delivery` in its way. */
export function faultyFetch(faults: Faults, inner: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    if (faults.idle) return inner(input, init)
    const request = new Request(input, init)
    const body = new Uint8Array(await request.clone().arrayBuffer())
    const rule = faults.take({
      direction: 'delivery',
      method: request.method,
      path: request.url,
      requestId: request.headers.get('upstash-message-id') ?? undefined,
      body,
    })
    const send = () => inner(input, init)
    return rule === undefined ? send() : spoilt(rule, faults, send)
  }
}
