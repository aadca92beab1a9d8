import { createHash } from 'node:crypto'

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { engineKinds, missingServer, openStand, readOnlyToken, type Stand } from './harness.ts'

/** The official client against both engines; the server engine only where there is one. */
describe.each(engineKinds)('@upstash/redis over the %s engine', (engine) => {
  const missing = engine === 'server' ? missingServer : undefined

  describe.skipIf(missing)(`which ${missing ?? 'is there'}`, () => {
    let stand: Stand
    beforeAll(async () => {
      stand = await openStand({ engine })
    })
    afterAll(() => stand.close())
    beforeEach(async () => {
      await stand.client().flushdb()
    })

    test('sends single commands and reads objects back', async () => {
      const redis = stand.client({ enableAutoPipelining: false })

      expect(await redis.set('user', { name: 'Ada', born: 1815 }, { ex: 100 })).toBe('OK')

      expect(await redis.get('user')).toEqual({ name: 'Ada', born: 1815 })
      expect(await redis.ttl('user')).toBeGreaterThan(90)
      expect(await redis.get('nobody')).toBeNull()
      expect(await redis.incr('n')).toBe(1)
      expect(await redis.ping()).toBe('PONG')
    })

    test.each(['base64', false] as const)(
      'keeps text beyond ASCII with encoding %s',
      async (responseEncoding) => {
        const redis = stand.client({ responseEncoding, automaticDeserialization: false })
        const text = 'Στοά – 🏛 "quoted" \\ \n OK'

        await redis.set('text', text)
        await redis.rpush('list', text, 'OK')

        expect(await redis.get('text')).toBe(text)
        expect(await redis.lrange('list', 0, -1)).toEqual([text, 'OK'])
      },
    )

    test('runs a pipeline in order and keeps going after an error', async () => {
      const redis = stand.client()

      const results = await redis
        .pipeline()
        .set('a', 'x')
        .incr('a')
        .incr('b')
        .exec({ keepErrors: true })

      expect(results[0]).toMatchObject({ result: 'OK' })
      expect(results[1]?.error).toBe('ERR value is not an integer or out of range')
      expect(results[2]).toMatchObject({ result: 1 })
    })

    test('runs a transaction as one', async () => {
      const redis = stand.client()

      const results = await redis.multi().set('a', 1).incrby('a', 5).get('a').exec()

      expect(results).toEqual(['OK', 6, 6])
    })

    test('discards a transaction that holds a malformed command', async () => {
      const redis = stand.client()
      const command = redis.multi().set('a', 1)
      // The typed client cannot leave an argument out; a raw request can.
      const response = await stand.send('/multi-exec', {
        method: 'POST',
        body: '[["SET","a","1"],["GET"]]',
      })

      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({
        error: "ERR wrong number of arguments for 'get' command",
      })
      expect(await redis.get('a')).toBeNull()
      expect(await command.exec()).toEqual(['OK'])
    })

    test('answers automatic pipelines', async () => {
      const redis = stand.client({ enableAutoPipelining: true })
      await redis.mset({ a: 1, b: 2 })

      const found = await Promise.all([redis.get('a'), redis.get('b'), redis.get('c')])

      expect(found).toEqual([1, 2, null])
    })

    test('runs scripts by source and by digest', async () => {
      const redis = stand.client()
      const source = 'return {redis.call("incrby", KEYS[1], ARGV[1]), KEYS[1]}'

      expect(await redis.eval(source, ['n'], ['5'])).toEqual([5, 'n'])
      const sha = await redis.scriptLoad(source)

      expect(sha).toBe(createHash('sha1').update(source).digest('hex'))
      expect(await redis.evalsha(sha, ['n'], ['2'])).toEqual([7, 'n'])
      expect(await redis.scriptExists(sha, 'nope')).toEqual([1, 0])
      expect(await redis.createScript<number[]>(source).exec(['n'], ['1'])).toEqual([8, 'n'])
      await redis.scriptFlush()
      await expect(redis.evalsha(sha, ['n'], ['2'])).rejects.toThrow(/NOSCRIPT/)
    })

    test('sets only while the value is the expected one', async () => {
      const redis = stand.client({ automaticDeserialization: false })
      await redis.set('lease', 'T:1')

      expect(await redis.exec(['SET', 'lease', 'L:x:1', 'IFEQ', 'T:1', 'EX', 30])).toBe('OK')
      expect(await redis.exec(['SET', 'lease', 'L:y:1', 'IFEQ', 'T:1'])).toBeNull()

      expect(await redis.exec(['SET', 'lease', 'v', 'IFEQ', 'T:1', 'GET'])).toBe('L:x:1')
      expect(await redis.get('lease')).toBe('L:x:1')
      expect(await redis.ttl('lease')).toBeGreaterThan(20)
      expect(await redis.exec(['SET', 'absent', 'v', 'IFEQ', 'x'])).toBeNull()
      expect(await redis.exec(['SET', 'absent', 'v', 'IFNE', 'x'])).toBe('OK')
    })

    test('lets the read-only token read and refuses its writes', async () => {
      await stand.client().set('a', 1)
      const reader = stand.client({ token: readOnlyToken })

      expect(await reader.get('a')).toBe(1)
      await expect(reader.set('a', 2)).rejects.toThrow(
        "NOPERM this user has no permissions to run the 'set' command or its subcommand",
      )
      await expect(reader.eval('return 1', [], [])).rejects.toThrow(/NOPERM.*'eval'/)
      await expect(reader.keys('*')).rejects.toThrow(/NOPERM.*'keys'/)
      expect(await stand.client().get('a')).toBe(1)
    })

    test('delivers published messages to channel and pattern subscribers', async () => {
      const redis = stand.client()
      const heard: unknown[] = []
      const channel = redis.subscribe<{ n: number }>('news')
      const pattern = redis.psubscribe<{ n: number }>('n*')
      const ready = Promise.all([
        new Promise((resolve) => channel.on('subscribe', resolve)),
        new Promise((resolve) => pattern.on('psubscribe', resolve)),
      ])
      channel.on('message', ({ message }) => heard.push(['channel', message]))
      pattern.on('pmessage', ({ channel: name, message }) => heard.push([name, message]))
      await ready

      const receivers = await redis.publish('news', { n: 1 })

      expect(receivers).toBe(2)
      await vi.waitFor(() => expect(heard).toHaveLength(2))
      expect(heard).toContainEqual(['channel', { n: 1 }])
      expect(heard).toContainEqual(['news', { n: 1 }])
      await channel.unsubscribe()
      await pattern.unsubscribe()
      await vi.waitFor(async () => expect(await redis.publish('news', 'x')).toBe(0))
    })

    test('keeps named databases apart', async () => {
      const created = await stand.redis.databases?.create('orders')
      const orders = stand.client({ url: created?.url ?? '' })
      const redis = stand.client()

      await orders.set('a', 'orders')
      await redis.set('a', 'default')
      await orders.pipeline().set('b', 1).exec()
      await redis.flushall()

      expect(created?.url).toBe(`${stand.url}/db/orders`)
      expect(await orders.mget('a', 'b')).toEqual(['orders', 1])
      expect(await redis.get('a')).toBeNull()
      expect(await stand.redis.databases?.list()).toHaveLength(2)
      await orders.flushall()
    })

    test('keeps subscribers of named databases apart', async () => {
      await stand.redis.databases?.create('orders')
      const orders = stand.client({ url: `${stand.url}/db/orders` })
      const heard: unknown[] = []
      const subscriber = orders.subscribe('news')
      await new Promise((resolve) => subscriber.on('subscribe', resolve))
      subscriber.on('message', ({ message }) => heard.push(message))

      expect(await stand.client().publish('news', 'for the default database')).toBe(0)
      expect(await orders.publish('news', 'for orders')).toBe(1)

      await vi.waitFor(() => expect(heard).toEqual(['for orders']))
      await subscriber.unsubscribe()
    })

    test('works with streams, sorted sets and hashes as the client shapes them', async () => {
      const redis = stand.client()

      await redis.xadd('log', '1-1', { flush: 'f1', deltas: { a: 1 } })
      await redis.zadd('board', { score: 1.5, member: 'ann' }, { score: 3, member: 'bob' })
      await redis.hset('user', { name: 'Ada', tags: ['x'] })

      expect(await redis.xrange('log', '-', '+')).toEqual({
        '1-1': { flush: 'f1', deltas: { a: 1 } },
      })
      expect(await redis.xdel('log', '1-1')).toBe(1)
      expect(await redis.zrange('board', 0, -1, { withScores: true, rev: true })).toEqual([
        'bob',
        3,
        'ann',
        1.5,
      ])
      expect(await redis.hgetall('user')).toEqual({ name: 'Ada', tags: ['x'] })
      const direct = stand.client({ enableAutoPipelining: false })
      expect(
        await direct.bitfield('bits').set('u8', '#0', 250).incrby('u8', '#0', 10).exec(),
      ).toEqual([0, 4])
    })

    test('lists keys with their types while scanning', async () => {
      const redis = stand.client()
      await redis.set('text', 'x')
      await redis.zadd('board', { score: 1, member: 'ann' })
      await redis.xadd('log', '1-1', { a: 1 })

      const [cursor, found] = await redis.scan('0', { count: 100, withType: true })
      const [, matching] = await redis.scan('0', { count: 100, withType: true, match: 'b*' })

      expect(cursor).toBe('0')
      expect(found.toSorted((one, other) => one.key.localeCompare(other.key))).toEqual([
        { key: 'board', type: 'zset' },
        { key: 'log', type: 'stream' },
        { key: 'text', type: 'string' },
      ])
      expect(matching).toEqual([{ key: 'board', type: 'zset' }])
    })

    test('copies within its database and never onto itself', async () => {
      const redis = stand.client()
      await redis.set('a', 'x')

      expect(await redis.copy('a', 'a')).toBe('NOT_COPIED')
      expect(await redis.copy('a', 'a', { replace: true })).toBe('NOT_COPIED')
      expect(await redis.exec(['COPY', 'a', 'b', 'DB', '0'])).toBe(1)
      expect(await redis.mget('a', 'b')).toEqual(['x', 'x'])
    })

    test('says how much memory a key takes: more for more', async () => {
      const redis = stand.client()
      const usage = (key: string) => redis.exec<number | null>(['MEMORY', 'USAGE', key])
      await redis.set('a', 'x'.repeat(1000))
      const small = await usage('a')
      await redis.append('a', 'x'.repeat(10_000))

      expect(small).toBeGreaterThan(1000)
      expect(await usage('a')).toBeGreaterThan(10_000)
      expect(await usage('nobody')).toBeNull()
      await expect(redis.exec(['MEMORY', 'DOCTOR'])).rejects.toThrow('not available')
    })

    test('counts what Upstash bills: commands, and the calls inside scripts', async () => {
      const billed = async (run: () => Promise<unknown>) => {
        stand.meter.reset()
        await run()
        return stand.meter.report().totals.commands
      }
      const redis = stand.client({ enableAutoPipelining: false })
      const script = 'redis.call("set", KEYS[1], 1); return redis.call("incr", KEYS[1])'

      expect(await billed(() => redis.get('a'))).toBe(1)
      expect(await billed(() => redis.pipeline().get('a').get('b').exec())).toBe(2)
      expect(await billed(() => redis.multi().get('a').get('b').get('c').exec())).toBe(3)
      expect(await billed(() => redis.eval(script, ['a'], []))).toBe(3)
      expect(await billed(() => redis.multi().eval(script, ['a'], []).get('a').exec())).toBe(4)
      expect(await billed(() => redis.exec(['SET', 'a', '3', 'IFEQ', '2']))).toBe(1)
      expect(await billed(() => redis.scan(0, { withType: true }))).toBe(1)
      expect(await billed(() => redis.copy('a', 'a'))).toBe(1)
      expect(await billed(() => redis.exec(['NOSUCH']).catch(() => undefined))).toBe(0)
    })
  })
})
