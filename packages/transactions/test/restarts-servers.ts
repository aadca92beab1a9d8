import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { libsqlShard } from '@stoa/adapters/shard'
import type { SqlShard } from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'

/** A server process of databases, which comes back by itself, with its data, when it dies. */
export type Server = {
  /** How often it has died. */
  deaths(this: void): number
  /** Kills the process with SIGKILL. */
  kill(this: void): void
  /** Has the process kill itself at a batch that contains `text`, before its effect or before its reply. */
  dieAt(
    this: void,
    text: string,
    how: { readonly when: 'before' | 'after'; readonly skip: number },
  ): Promise<void>
  /** Waits until the server answers. @throws when it stays away for a minute */
  answers(this: void): Promise<void>
  /** Makes a database, and a client of it. */
  create(this: void, name: string): Promise<Place>
  close(this: void): Promise<void>
}

/** A database and where it is. */
export type Place = { readonly url: string; readonly shard: SqlShard }

export type Servers = {
  readonly all: readonly [Server, Server]
  close(this: void): Promise<void>
}

const awayMsMax = 60_000
const lookMs = 20

export const wait = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms)
  })

async function openServer(dataDir: string): Promise<Server> {
  let deaths = 0
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const processes = await supervise({ dataDir, ports, redisEngine: 'in-process' }, (name) => {
    if (name === 'libsql') deaths += 1
  })
  const origin = `http://127.0.0.1:${processes.ports.libsql}`
  const headers = { 'content-type': 'application/json' }
  const post = async (route: string, body: object): Promise<void> => {
    const request = { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await fetch(`${origin}/_local/${route}`, request)
    if (!answer.ok) throw new Error(`${route} were refused: ${await answer.text()}`)
  }
  return {
    deaths: () => deaths,
    kill: () => {
      const pid = processes.pid('libsql')
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    },
    dieAt: (contains, how) => post('faults', { action: 'crash', match: { contains }, ...how }),
    answers: async () => {
      for (const deadline = Date.now() + awayMsMax; Date.now() < deadline;) {
        const answer = await fetch(`${origin}/health`).catch(() => undefined)
        if (answer?.ok === true) return
        await wait(lookMs)
      }
      throw new Error('a server did not come back')
    },
    create: async (name) => {
      await post('databases', { name })
      const url = `${origin}/${name}/`
      return { url, shard: libsqlShard({ name, url, token: devTokens.libsql }) }
    },
    close: () => processes.close(),
  }
}

/** Two server processes, for databases that do not all die together. */
export async function openServers(): Promise<Servers> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-transactions-'))
  const first = await openServer(path.join(dataDir, 'first'))
  const other = await openServer(path.join(dataDir, 'other'))
  return {
    all: [first, other],
    close: async () => {
      await Promise.all([first.close(), other.close()])
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
