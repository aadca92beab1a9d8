import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type LocalConfig, openServer, type ServerName } from '@stoa/local'

/** One of the local servers, alone, on a free port and in a folder of its own. */
export type LocalServer = {
  readonly url: string
  /** Asks a control route of the server. */
  readonly control: (method: string, route: string, body?: object) => Promise<unknown>
  readonly close: () => Promise<void>
}

export async function openLocal(
  name: ServerName,
  redisEngine: LocalConfig['redisEngine'] = 'in-process',
): Promise<LocalServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-adapters-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const server = await openServer(name, { dataDir, ports, redisEngine })
  return {
    url: server.url,
    async control(method, route, body) {
      const init = body
        ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
        : {}
      const answer = await fetch(`${server.url}/_local/${route}`, { method, ...init })
      if (!answer.ok) throw new Error(`${method} ${route} was answered with ${answer.status}`)
      const text = await answer.text()
      return text === '' ? undefined : (JSON.parse(text) as unknown)
    },
    async close() {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The development tokens of the local servers. */
export { devTokens } from '@stoa/local'
