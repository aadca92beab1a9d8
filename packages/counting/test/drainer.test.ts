import { rootCall } from '@stoa/kernel'
import { cacheTopology, createRouter } from '@stoa/sharding'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { call } from './databases.ts'
import { type Bench, idIn, openBench } from './harness.ts'

let bench: Bench
beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.fleet.close())

const dayMs = 24 * 3_600_000

async function views(id: string): Promise<number | undefined> {
  return (await bench.counting.read('post', id, call)).values['views']
}

async function flushed(id: string, by = 1): Promise<void> {
  bench.counting.increment('post', id, { views: by })
  await bench.counting.flush(call)
}

async function dead(): Promise<readonly unknown[]> {
  const sql = 'SELECT reason FROM count_dead ORDER BY reason'
  const rows = [...(await bench.fleet.a.run(sql)), ...(await bench.fleet.b.run(sql))]
  return rows.map(([reason]) => reason).toSorted()
}

describe('the drainer', () => {
  test('leaves what one shard does not take in the log, and applies the rest', async () => {
    const [inA, inB] = [idIn(1), idIn(9_000)]
    bench.counting.increment('post', inA, { likes: 1 })
    bench.counting.increment('post', inB, { likes: 1 })
    await bench.counting.flush(call)
    const likes = async (id: string) =>
      (await bench.counting.read('post', id, call)).values['likes']
    bench.fleet.a.spoil('refused')

    const first = await bench.counting.drainer.drain(call)
    bench.hot.strings.clear()
    expect([await likes(inA), await likes(inB)]).toEqual([0, 1])
    bench.hot.strings.clear()
    const second = await bench.counting.drainer.drain(call)

    expect([first.done, second.done]).toEqual([0, 1])
    expect([await likes(inA), await likes(inB)]).toEqual([1, 1])
  })

  test('sees the entries behind a hundred that are stuck', async () => {
    for (let n = 0; n < 120; n += 1) await flushed(idIn(1))
    const down = Array.from({ length: 10 }, () => 'refused' as const)
    const behind = idIn(9_000)
    bench.counting.increment('post', behind, { likes: 1 })
    await bench.counting.flush(call)
    bench.fleet.a.spoil(...down)
    await bench.counting.drainer.drain(call)

    expect((await bench.counting.read('post', behind, call)).values['likes']).toBe(1)
    expect(bench.log.entries.length).toBeGreaterThan(100)
  })

  test('counts an entry once that comes in ten copies, in one drain and over several', async () => {
    const id = idIn(1)
    await flushed(id)
    const [entry] = bench.log.entries
    if (entry === undefined) throw new Error('nothing was flushed')
    const copies = (from: number) =>
      Array.from({ length: 10 }, (_, n) => ({ ...entry, at: `${from + n}-0` }))
    bench.log.entries = copies(1)
    await bench.counting.drainer.drain(call)
    bench.log.entries = copies(50)
    await flushed(id, 5)
    const report = await bench.counting.drainer.drain(call)

    expect(await views(id)).toBe(6)
    expect(report.repeated).toBeGreaterThan(0)
    expect(bench.log.entries).toEqual([])
  })

  test('shows what an earlier drainer applied and died before showing', async () => {
    const id = idIn(1)
    await flushed(id)
    const kept = bench.log.entries
    await bench.counting.drainer.drain(call)
    bench.log.entries = kept
    bench.hot.strings.clear()
    await bench.counting.drainer.drain(call)

    expect(bench.hot.strings.get(`post:${id}`)).toMatch(/^1,0:/)
  })

  test('keeps aside what is too old, and what nobody can read, and deletes it from the log', async () => {
    const id = idIn(1)
    await flushed(id)
    bench.clock.advance(dayMs + 1)
    await flushed(id)
    const [, fresh] = bench.log.entries
    const text = fresh?.fields[3] ?? ''
    const flush = fresh?.fields[1] ?? ''
    const bad = (name: string, payload: string) => ({
      at: `${900 + bench.log.entries.length}-0`,
      fields: ['f', name, 'd', payload],
    })
    bench.log.entries = [...bench.log.entries, bad(`${flush}a`, '{'), bad('x', text)]
    bench.log.entries = [...bench.log.entries, bad(`${flush}b`, text.replace('"views"', '"hits"'))]
    bench.log.entries = [...bench.log.entries, bad(`${flush}c`, text.replace('"post"', '"book"'))]
    bench.log.entries = [...bench.log.entries, bad(`${flush}d`, text.replace(id, id.slice(1)))]
    bench.log.entries = [...bench.log.entries, { at: '999-0', fields: ['what', 'is this'] }]
    const report = await bench.counting.drainer.drain(call)

    expect(report).toMatchObject({ entries: 8, done: 8, dead: 7 })
    expect(await views(id)).toBe(1)
    expect(await dead()).toEqual([
      'it is no JSON',
      'it is too old',
      'its form is unknown',
      'its id is none',
      'its id is none',
      'kind "book" is unknown',
      'metric "post.hits" is unknown',
    ])
  })

  test('forgets which flushes a bucket took after two days, and takes none of those any more', async () => {
    const id = idIn(1)
    await flushed(id)
    const old = bench.log.entries
    await bench.counting.drainer.drain(call)
    bench.clock.advance(2 * dayMs + 1)
    await flushed(id)
    await bench.counting.drainer.drain(call)
    const [[known] = []] = await bench.fleet.a.run(
      "SELECT count(*) FROM count_applied WHERE slot = '000'",
    )
    bench.log.entries = old
    await bench.counting.drainer.drain(call)

    expect(known).toBe(1)
    expect(await views(id)).toBe(2)
    expect(await dead()).toEqual(['it is too old'])
  })

  test('leaves a bucket in the log whose slots are in two shards, and applies the others', async () => {
    const [stray, other] = [idIn(80), idIn(200)]
    await flushed(stray)
    await flushed(other)
    const whole = bench.fleet.topology
    const { shards = [] } = whole.keyspaces['stats'] ?? {}
    const slots = [
      { from: 0, to: 70, shard: 'a', epoch: 1 },
      { from: 71, to: 127, shard: 'b', epoch: 1 },
      { from: 128, to: 8_191, shard: 'a', epoch: 1 },
      { from: 8_192, to: 16_383, shard: 'b', epoch: 1 },
    ]
    const split = cacheTopology(async () => ({
      version: 2,
      keyspaces: { stats: { shards, slots } },
    }))
    const router = createRouter({
      slots: split.slots('stats'),
      open: ({ name }) => (name === 'a' ? bench.fleet.a : bench.fleet.b),
      sleep: async () => undefined,
    })
    const stale = bench.isolate({ router })
    const report = await stale.drainer.drain(call)

    expect(report).toMatchObject({ entries: 2, done: 1 })
    expect(bench.reported).toEqual([expect.objectContaining({ code: 'split_bucket' })])
    await expect(stale.readMany('post', [stray], call)).rejects.toMatchObject({
      code: 'split_bucket',
    })
    await bench.counting.drainer.drain(call)
    expect([await views(stray), await views(other)]).toEqual([1, 1])
  })

  test('stops for nothing but its caller', async () => {
    await flushed(idIn(1))
    const gone = new AbortController()
    gone.abort(new Error('the caller is gone'))
    const aborted = { ...rootCall('gone'), signal: gone.signal }
    await bench.counting.drainer.drain(aborted).catch(() => undefined)
    await bench.counting.drainer.drain(call)

    expect(bench.log.entries).toEqual([])
  })

  test('reports a publication that failed, and the reads heal it', async () => {
    const id = idIn(1)
    await flushed(id)
    bench.hot.spoil('request')
    const report = await bench.counting.drainer.drain(call)

    expect(report.done).toBe(1)
    expect(bench.reported).toHaveLength(1)
    expect(await views(id)).toBe(1)
  })

  test('throws when a log itself does not answer, after draining the others', async () => {
    const other = { ...bench.log, run: () => Promise.reject(new Error('gone')) }
    await flushed(idIn(1))
    const counting = bench.isolate({
      logs: [
        { name: 'gone', redis: other },
        { name: 'log-0', redis: bench.log },
      ],
    })

    await expect(counting.drainer.drain(call)).rejects.toThrow('gone')
    expect(bench.log.entries).toEqual([])
  })

  test('bills little: four hundred flushes cost less than 30 commands to drain', async () => {
    for (let n = 0; n < 400; n += 1) await flushed(idIn(n))
    const before = bench.log.billed + bench.hot.billed
    await bench.counting.drainer.drain(call)

    expect(bench.log.billed + bench.hot.billed - before).toBeLessThan(30)
  })
})
