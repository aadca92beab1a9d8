import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { createCache, type Space } from '@stoa/caching'
import { rootCall, secureRandom, systemClock } from '@stoa/kernel'
import { waitUntil } from 'cloudflare:workers'

type Env = { readonly REDIS_URL: string; readonly REDIS_TOKEN: string; readonly ORIGIN: string }

let space: Space<string> | undefined

function open(env: Env): Space<string> {
  const cache = createCache({
    namespace: 'bench',
    redis: upstashRedis({ name: 'cache', url: env.REDIS_URL, token: env.REDIS_TOKEN }),
    clock: systemClock,
    random: secureRandom,
    defer: waitUntil,
    report: () => undefined,
    limits: { redisMs: 2_000, leaseMs: 5_000 },
  })
  return cache.space<string>('p', {
    ttlMs: 600_000,
    isolateTtlMs: 60_000,
    timeouts: { joinMs: 5_000 },
  })
}

/** `/?key=K&asks=N` asks for one key N times at once, and answers with the values that came. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { searchParams } = new URL(request.url)
    const key = searchParams.get('key') ?? ''
    const cached = (space ??= open(env))
    const load = async () => {
      const answer = await fetch(`${env.ORIGIN}/?key=${key}`)
      return { value: await answer.text() }
    }
    const found = await Promise.all(
      Array.from({ length: Number(searchParams.get('asks')) }, () =>
        cached.getOrLoad(key, load, rootCall('bench')),
      ),
    )
    return Response.json([...new Set(found.map(({ value }) => value))])
  },
}
