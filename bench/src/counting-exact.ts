import type { Call, RedisCommand, RedisOptions, RedisPort } from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import { call, kind, metrics, objectIds, type Place } from './counting-place.ts'
import type { Row } from './row.ts'

const increments = 1_000_000

/** Never answers after `allowed` requests: what a process looks like that has died. */
function mortal(allowed: number) {
  let left = allowed
  const died = Promise.withResolvers<void>()
  const step = async <R>(send: () => Promise<R>): Promise<R> => {
    if (left === 0) {
      died.resolve()
      return new Promise<R>(() => undefined)
    }
    left -= 1
    const answer = await send()
    return answer
  }
  return {
    died: died.promise,
    redis: (port: RedisPort): RedisPort => ({
      run: (command, each, options) => step(() => port.run(command, each, options)),
      pipeline: (commands, each, options) => step(() => port.pipeline(commands, each, options)),
    }),
    router: (port: Router): Pick<Router, 'groups' | 'readMany' | 'writeAll'> => ({
      groups: port.groups.bind(port),
      readMany: (queries, each) => step(() => port.readMany(queries, each)),
      writeAll: (keys, statements, each) => step(() => port.writeAll(keys, statements, each)),
    }),
  }
}

/** Sends one of ten flushes a second time. */
function stammering(port: RedisPort): RedisPort {
  let count = 0
  return {
    run: port.run.bind(port),
    pipeline: async (commands: readonly RedisCommand[], each: Call, options: RedisOptions) => {
      count += 1
      if (count % 10 === 0) await port.pipeline(commands, each, options)
      return port.pipeline(commands, each, options)
    },
  }
}

async function sumOf(place: Place): Promise<number> {
  const sums = metrics.map((metric) => `sum(${metric})`).join(' + ')
  const { rows } = await place.client.execute(`SELECT coalesce(${sums}, 0) AS n FROM count_post`)
  return Number(rows[0]?.['n'])
}

async function ours(place: Place): Promise<number> {
  const before = await sumOf(place)
  const ids = objectIds(20_000)
  const [log, hot] = [await place.redis('exact-log'), await place.redis('exact-hot')]
  const producer = place.counting({ logs: [{ name: 'exact', redis: stammering(log) }], hot })
  let lives = 0
  for (let n = 0; n < increments; n += 1) {
    const id = ids[(n * 7_919) % ids.length] ?? ''
    producer.increment(kind.name, id, { [metrics[n & 3] ?? '']: 1 })
    if (producer.due() === 0) await producer.flush(call)
    if (n % 20_000 !== 19_999) continue
    const life = mortal(lives % 6)
    const dying = place.counting({
      logs: [{ name: 'exact', redis: life.redis(log) }],
      hot: life.redis(hot),
      router: life.router(place.router),
    })
    await Promise.race([dying.drainer.drain(call), life.died])
    lives += 1
  }
  await producer.flush(call)
  await place.counting({ logs: [{ name: 'exact', redis: log }], hot }).drainer.drain(call)
  return (await sumOf(place)) - before - increments
}

/** A key that is renamed, added up and deleted, its drainer dying after every second commit. */
async function renamed(place: Place): Promise<number> {
  const before = await sumOf(place)
  const ids = objectIds(500)
  const redis = await place.redis('exact-rename')
  const drain = async (dies: boolean): Promise<void> => {
    await redis.run(['RENAMENX', 'main', 'taken'], call, { idempotent: false }).catch(() => 0)
    const fields = await redis.run(['HGETALL', 'taken'], call, { idempotent: true })
    const list = Array.isArray(fields) ? fields.map(String) : []
    const rows = list.flatMap((id, at) =>
      at % 2 === 0 ? [[id.slice(0, 3), at, Number(list[at + 1])]] : [],
    )
    const sql = `INSERT INTO count_post (slot, id, views) SELECT value ->> 0, unhex(printf('%020x', value ->> 1)), value ->> 2 FROM json_each(?)
WHERE true ON CONFLICT DO UPDATE SET views = views + excluded.views`
    await place.router.writeAll([0], [{ sql, args: [JSON.stringify(rows)] }], call)
    if (!dies) await redis.run(['DEL', 'taken'], call, { idempotent: true })
  }
  const total = 20_000
  for (let n = 0; n < total; n += 100) {
    const commands = Array.from({ length: 100 }, (_, at) => [
      'HINCRBY',
      'main',
      ids[(n + at) % 500] ?? '',
      1,
    ])
    await redis.pipeline(commands, call, { idempotent: false })
    if (n % 1_000 === 900) await drain(n % 2_000 === 900)
  }
  await drain(false)
  await drain(false)
  return (((await sumOf(place)) - before - total) / total) * increments
}

/** 1,000,000 increments, a drainer dying at every request in turn, one flush of ten sent twice. */
export async function benchExact(place: Place): Promise<Row> {
  const [difference, control] = [await ours(place), await renamed(place)]
  return {
    name: 'counted too much or too little of 1,000,000, beside a key that is renamed',
    value: difference,
    unit: 'increments',
    baseline: control,
    ratio: difference / control,
    ok: difference === 0 && control !== 0,
  }
}
