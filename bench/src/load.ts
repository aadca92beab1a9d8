import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Agent, request } from 'node:http'
import path from 'node:path'
import { promisify } from 'node:util'

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

/** Where `wrk` is, which costs a tenth of what a loop in JavaScript costs; absent when it is not installed. */
const wrk = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .map((folder) => path.join(folder, 'wrk'))
  .find((file) => existsSync(file))

/** What makes the load here. */
export const loadGenerator = wrk === undefined ? 'a loop in this process' : 'wrk'

async function wrkLoop(file: string, url: string, options: LoadOptions): Promise<Load> {
  const { connections, seconds } = options
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, url]
  const { stdout } = await promisify(execFile)(file, args)
  const number = (form: RegExp) => Number(form.exec(stdout)?.[1] ?? 0)
  return {
    requests: number(/(\d+) requests in/),
    failed: number(/Non-2xx or 3xx responses: (\d+)/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
  }
}

type LoadOptions = { readonly connections: number; readonly seconds: number }

/** Closed loop over `connections` kept connections for `seconds`, on loopback only. */
export async function closedLoop(url: string, options: LoadOptions): Promise<Load> {
  if (new URL(url).hostname !== '127.0.0.1')
    throw new Error('Cannot load a host that is not loopback')
  if (wrk !== undefined) return wrkLoop(wrk, url, options)
  const { connections, seconds } = options
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
