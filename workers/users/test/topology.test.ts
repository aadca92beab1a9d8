import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import { rootCall } from '@stoa/kernel'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { readConfig } from '../src/env.ts'

/** Where nothing listens. */
const dead = 'http://127.0.0.1:1/'
const call = rootCall('topology')

type PlaceCache = {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}
const place = (globalThis as unknown as { caches: { default: PlaceCache } }).caches.default

/** The keyspace as an isolate that has just started opens it. */
function openCold(metaUrl: string) {
  const hooks = { defer: () => undefined, report: () => undefined }
  return openServiceKeyspace('users', { ...readConfig(env), META_URL: metaUrl }, hooks).router
}

/** What the data centre keeps under the address of a meta database. */
function near(metaUrl: string): string {
  return `https://topology.stoa.invalid/${encodeURIComponent(metaUrl)}`
}

test('a cold isolate is routed by what its place saw last, while the meta database is down', async () => {
  const config = readConfig(env)
  const shard = await openCold(config.META_URL).shardOf('00000', call)
  const seen = await place.match(near(config.META_URL))
  if (seen === undefined) throw new Error('nothing was left near')

  await expect(openCold(dead).shardOf('00000', call)).rejects.toMatchObject({
    code: 'shard_unavailable',
  })
  await place.put(near(dead), seen)
  const router = openCold(dead)

  expect(await router.shardOf('00000', call)).toBe(shard)
  const { rows } = await router.read(
    '00000',
    { sql: 'SELECT id FROM member WHERE id = ?', args: ['00000'] },
    call,
  )
  expect(rows).toEqual([])
})
