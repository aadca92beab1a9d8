import { mkdirSync } from 'node:fs'

import type { Database, Engine } from '../control/exchange.ts'
import { DatabaseNames } from './databases.ts'
import type { RedisEngine } from './engine.ts'
import { lockFolder } from './folder-lock.ts'
import { openEngine, type EngineChoice } from './open-engine.ts'
import { RestFront } from './rest/front.ts'
import { addressOf, defaultDatabase } from './rest/request.ts'

export type RedisOptions = EngineChoice & {
  readonly dataDir: string
  /** Where the front listens, such as `http://127.0.0.1:8792`. */
  readonly origin: () => string
  readonly token: string
  readonly readOnlyToken?: string | undefined
}

export type Redis = Engine & {
  /** Such as `redis-server 7.0.15` or `in-process`. */
  readonly engineName: string
}

/**
 * An Upstash Redis REST server over a private `redis-server` or, without one, over an engine in this process.
 *
 * Acknowledged writes survive the death of this process and of the server. The database `default` answers at the
 * bare path; others, once created, at `/db/<name>` and at the host `<name>.localhost`.
 *
 * @throws FolderTakenError when another process uses `dataDir`, NoServerError when a server is wanted and missing.
 */
export async function createRedis(options: RedisOptions): Promise<Redis> {
  const { dataDir, origin, token, readOnlyToken } = options
  mkdirSync(dataDir, { recursive: true })
  const unlock = lockFolder(dataDir)
  let engine: RedisEngine
  try {
    engine = await openEngine(dataDir, options)
  } catch (error) {
    unlock()
    throw error
  }
  const names = new DatabaseNames(dataDir, engine.capacity)
  const numberOf = (name: string) => names.numberOf(name)
  const front = new RestFront({ engine, token, readOnlyToken, numberOf })
  const database = (name: string): Database => ({
    name,
    url: name === defaultDatabase ? origin() : `${origin()}/db/${name}`,
    token,
  })
  return {
    name: 'redis',
    engineName: engine.name,
    handle: (exchange) => front.handle(exchange),
    databaseOf: (exchange) => addressOf(exchange).database,
    databases: {
      list: () => Promise.resolve(names.list().map(database)),
      create: async (name) => {
        names.create(name)
        return database(name)
      },
    },
    close: async () => {
      await engine.close()
      unlock()
    },
  }
}
