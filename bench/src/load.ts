import { Agent, request } from 'node:http'

export type Load = {
  readonly requests: number
  readonly perSecond: number
  readonly failed: number
}

/** One request after another on a kept connection, until `until`. */
function connection(
  url: string,
  agent: Agent,
  until: number,
): Promise<{ done: number; failed: number }> {
  return new Promise((resolve) => {
    let done = 0
    let failed = 0
    const next = (): void => {
      if (performance.now() >= until) {
        resolve({ done, failed })
        return
      }
      const sent = request(url, { agent }, (response) => {
        response.resume()
        response.on('end', () => {
          if (response.statusCode === 200) done += 1
          else failed += 1
          next()
        })
      })
      sent.on('error', () => {
        failed += 1
        next()
      })
      sent.end()
    }
    next()
  })
}

/** Closed loop over `connections` kept connections for `seconds`, on loopback only. */
export async function closedLoop(
  url: string,
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
): Promise<Load> {
  if (new URL(url).hostname !== '127.0.0.1')
    throw new Error('Cannot load a host that is not loopback')
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const started = performance.now()
  const until = started + seconds * 1_000
  const loops = await Promise.all(
    Array.from({ length: connections }, () => connection(url, agent, until)),
  )
  const elapsed = (performance.now() - started) / 1_000
  agent.destroy()
  const requests = loops.reduce((sum, { done }) => sum + done, 0)
  const failed = loops.reduce((sum, loop) => sum + loop.failed, 0)
  return { requests, failed, perSecond: requests / elapsed }
}
