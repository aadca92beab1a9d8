import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { rootCall, secureRandom, systemClock } from '@stoa/kernel'
import { waitUntil } from 'cloudflare:workers'

import { createCache, type Space } from '../src/index.ts'

type Env = {
  readonly REDIS_URL: string
  readonly REDIS_TOKEN: string
  readonly ORIGIN: string
  /** `none`: work behind the answer is not kept alive, as in a Worker that forgets `waitUntil`. */
  readonly DEFER: string
}

let opened: Readonly<Record<'brief' | 'long', Space<string>>> | undefined

function open(env: Env) {
  const redis = upstashRedis({ name: 'cache', url: env.REDIS_URL, token: env.REDIS_TOKEN })
  const cache = createCache({
    namespace: 'test',
    redis,
    clock: systemClock,
    random: secureRandom,
    defer: (work) => {
      if (env.DEFER !== 'none') waitUntil(work)
    },
    report: () => undefined,
    limits: { leaseMs: 800, redisMs: 1_000 },
  })
  const brief = cache.space<string>('brief', {
    ttlMs: 150,
    graceMs: 60_000,
    staleWhileRevalidate: true,
    isolateTtlMs: 0,
    jitter: 0,
    earlyRenewal: 0,
    timeouts: { joinMs: 400 },
  })
  return { brief, long: cache.space<string>('long', { ttlMs: 60_000, isolateTtlMs: 0 }) }
}

// oxlint-disable-next-line import/no-default-export -- workerd takes the handlers of a module from there
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { brief, long } = (opened ??= open(env))
    const { pathname, searchParams } = new URL(request.url)
    const key = searchParams.get('key') ?? 'a'
    const load = async () => {
      const answer = await fetch(`${env.ORIGIN}/?key=${key}&ms=${searchParams.get('ms') ?? '0'}`)
      return { value: await answer.text() }
    }
    const reading = (pathname === '/long' ? long : brief).getOrLoad(key, load, rootCall('w'))
    if (pathname === '/leave') {
      // Answers, and so ends, while its load has just begun.
      reading.catch(() => undefined)
      await fetch(`${env.ORIGIN}/?key=nothing`).then((answer) => answer.text())
      return new Response('left')
    }
    return Response.json(await reading)
  },
}
