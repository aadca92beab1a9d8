import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { Redis as Client, type RedisConfigNodejs } from '@upstash/redis'

import { Faults } from '../../src/control/faults.ts'
import { openFront } from '../../src/control/front.ts'
import { Meter } from '../../src/control/meter.ts'
import { createRedis, type Redis, type RedisOptions } from '../../src/redis/index.ts'
import { findServer } from '../../src/redis/server/configuration.ts'

export const token = 'full-token'
export const readOnlyToken = 'read-token'

/** Why the tests of the server engine cannot run; undefined when they can. */
export const missingServer =
  findServer() === undefined ? 'no redis-server or valkey-server is on PATH' : undefined

export const engineKinds = ['in-process', 'server'] as const

export type Stand = {
  readonly url: string
  readonly redis: Redis
  readonly meter: Meter
  client(options?: Partial<RedisConfigNodejs>): Client
  /** A request as it is, with the full token unless another is given. */
  send(target: string, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'stoa-redis-test-'))
}

/** A server on a free port over a folder that is removed again unless one is given. */
export async function openStand(options: Partial<RedisOptions> = {}): Promise<Stand> {
  const dataDir = options.dataDir ?? (await temporaryFolder())
  let port = 0
  const origin = () => `http://127.0.0.1:${port}`
  const redis = await createRedis({ origin, token, readOnlyToken, ...options, dataDir })
  const meter = new Meter()
  const front = await openFront({ engine: redis, meter, faults: new Faults(), port: 0 })
  port = front.port
  return {
    url: origin(),
    redis,
    meter,
    client: (more = {}) =>
      new Client({ url: origin(), token, retry: false, enableTelemetry: false, ...more }),
    send: (target, init = {}) => {
      const headers = new Headers(init.headers)
      if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`)
      return fetch(`${origin()}${target}`, { ...init, headers })
    },
    close: async () => {
      await front.close()
      await redis.close()
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}
