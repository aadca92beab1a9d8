import { request } from 'node:http'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import {
  engineKinds,
  missingServer,
  openStand,
  readOnlyToken,
  token,
  type Stand,
} from './harness.ts'

type Raw = { readonly method: string; readonly path: string; readonly host: string }

/** A request whose Host header is ours to choose, which `fetch` does not allow. */
function sendRaw(
  url: string,
  { method, path, host }: Raw,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host, authorization: `Bearer ${token}` }
    const sent = request(url, { method, path, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe.each(engineKinds)('the REST API over the %s engine', (engine) => {
  const missing = engine === 'server' ? missingServer : undefined

  describe.skipIf(missing)(`which ${missing ?? 'is there'}`, () => {
    let stand: Stand
    beforeAll(async () => {
      stand = await openStand({ engine })
      await stand.redis.databases?.create('other')
    })
    afterAll(() => stand.close())
    beforeEach(async () => {
      await post('/pipeline', [['FLUSHDB']])
    })

    async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
      const response = await stand.send(path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, body: await response.text() }
    }
    const get = async (path: string) => (await stand.send(path)).text()

    test('takes a command from the path and from the query', async () => {
      expect(await get('/set/foo/bar')).toBe('{"result":"OK"}')
      expect(await get('/get/foo')).toBe('{"result":"bar"}')
      expect(await get('/set/foo/bar/EX/100')).toBe('{"result":"OK"}')
      expect(await get('/SET/k%20%2F%C3%A9/v?EX=50')).toBe('{"result":"OK"}')
      expect(await get('/ttl/k%20%2F%C3%A9')).toBe('{"result":50}')
      expect(await get('/set/foo/other?NX')).toBe('{"result":null}')
    })

    test('appends the raw body as the last argument, binary too', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)

      const response = await stand.send('/set/blob?EX=100', { method: 'POST', body: bytes })
      const read = await stand.send('/get/blob', { headers: { 'upstash-encoding': 'base64' } })

      expect(await response.json()).toEqual({ result: 'OK' })
      const { result } = (await read.json()) as { result: string }
      expect(new Uint8Array(Buffer.from(result, 'base64'))).toEqual(bytes)
      expect(await get('/ttl/blob')).toBe('{"result":100}')
    })

    test('replaces what is not UTF-8 unless base64 is asked for', async () => {
      await stand.send('/set/blob', { method: 'POST', body: Uint8Array.of(97, 255, 98) })

      expect(await get('/get/blob')).toBe('{"result":"a\uFFFDb"}')
    })

    test('encodes every string but the answer OK', async () => {
      const base64 = { 'upstash-encoding': 'base64' }
      await post('/', ['RPUSH', 'list', 'OK', 'x'])
      await post('/', ['SET', 'ok', 'OK'])

      expect((await post('/', ['SET', 'a', 'b'], base64)).body).toBe('{"result":"OK"}')
      expect((await post('/', ['GET', 'ok'], base64)).body).toBe('{"result":"T0s="}')
      expect((await post('/', ['PING'], base64)).body).toBe('{"result":"UE9ORw=="}')
      expect((await post('/', ['LRANGE', 'list', 0, -1], base64)).body).toBe(
        '{"result":["T0s=","eA=="]}',
      )
      expect((await post('/pipeline', [['GET', 'a'], ['GET']], base64)).body).toBe(
        `[{"result":"Yg=="},{"error":"ERR wrong number of arguments for 'get' command"}]`,
      )
    })

    test('answers in RESP2 when asked', async () => {
      const resp2 = { 'upstash-response-format': 'resp2' }

      const set = await post('/', ['SET', 'foo', 'bar'], resp2)

      expect(set.body).toBe('+OK\r\n')
      expect(set.headers.get('content-type')).toBe('application/octet-stream')
      expect((await post('/', ['GET', 'foo'], resp2)).body).toBe('$3\r\nbar\r\n')
      expect(
        (
          await post(
            '/pipeline',
            [
              ['GET', 'no'],
              ['INCR', 'n'],
            ],
            resp2,
          )
        ).body,
      ).toBe('$-1\r\n:1\r\n')
      expect((await post('/multi-exec', [['INCR', 'n']], resp2)).body).toBe('[{"result":2}]')
      const both = { ...resp2, 'upstash-encoding': 'base64' }
      expect((await post('/', ['GET', 'foo'], both)).status).toBe(400)
      expect((await post('/', ['GET', 'foo'], { 'upstash-response-format': 'xml' })).status).toBe(
        400,
      )
    })

    test('keeps every digit of integers', async () => {
      const body = '["SET","n",9007199254740993]'
      await stand.send('/', { method: 'POST', body })

      expect((await post('/', ['GET', 'n'])).body).toBe('{"result":"9007199254740993"}')
      expect((await post('/', ['INCRBY', 'n', '9000000000000000000'])).body).toBe(
        '{"result":9009007199254740993}',
      )
      await stand.send('/', { method: 'POST', body: '["ZADD","z",1.50,"a",true,"t"]' })
      await stand.send('/', { method: 'POST', body: '["SET","f",1.50]' })
      expect((await post('/', ['GET', 'f'])).body).toBe('{"result":"1.50"}')
    })

    test.each([
      ['/'],
      ['/pipeline'],
      ['/multi-exec'],
      ['/get/a'],
      ['/subscribe/a'],
      ['/monitor'],
      ['/db/other'],
      ['/db/other/pipeline'],
      ['/db/nowhere'],
      ['/nonsense'],
    ])('refuses %s without the right token', async (path) => {
      const bodies = [{ authorization: 'Bearer wrong' }, { authorization: '' }]
      for (const headers of bodies) {
        const response = await stand.send(path, { method: 'POST', headers, body: '[["PING"]]' })

        expect(response.status).toBe(401)
        expect(await response.json()).toEqual({ error: 'WRONGPASS invalid or missing auth token' })
      }
    })

    test('takes the token from the address as well', async () => {
      expect(await (await fetch(`${stand.url}/set/foo/bar?EX=9&_token=${token}`)).json()).toEqual({
        result: 'OK',
      })
      expect((await fetch(`${stand.url}/get/foo?_token=${readOnlyToken}`)).status).toBe(200)
      expect((await fetch(`${stand.url}/set/foo/x?_token=${readOnlyToken}`)).status).toBe(400)
      expect((await fetch(`${stand.url}/get/foo?_token=wrong`)).status).toBe(401)
    })

    test('refuses other methods with 405', async () => {
      for (const method of ['DELETE', 'PATCH', 'OPTIONS']) {
        expect((await stand.send('/get/a', { method })).status).toBe(405)
      }
      expect((await stand.send('/set/a/b', { method: 'PUT' })).status).toBe(200)
      expect((await stand.send('/get/a', { method: 'HEAD' })).status).toBe(200)
    })

    test.each([
      ['/', 'nonsense'],
      ['/', '{"a":1}'],
      ['/', '[]'],
      ['/', ''],
      ['/', '["SET","a",null]'],
      ['/', '["SET","a",{"b":1}]'],
      ['/pipeline', '["GET","a"]'],
      ['/pipeline', '[]'],
      ['/pipeline', '[[]]'],
      ['/multi-exec', '{}'],
    ])('refuses the body of POST %s %s with 400', async (path, body) => {
      const response = await stand.send(path, { method: 'POST', body })

      expect(response.status).toBe(400)
      expect(await response.text()).toMatch(/^\{"error":"ERR [^"]+"\}$/)
    })

    test.each(['AUTH', 'CLIENT', 'MULTI', 'WATCH', 'SELECT', 'SUBSCRIBE', 'MONITOR', 'HELLO'])(
      'says that %s has no place in REST',
      async (name) => {
        const { status, body } = await post('/', [name, 'x'])

        expect(status).toBe(400)
        expect(JSON.parse(body)).toEqual({
          error: `ERR Command "${name}" is not allowed in REST or it has a special context path`,
        })
      },
    )

    test.each([
      'BLPOP',
      'BZPOPMIN',
      'BLMOVE',
      'WAIT',
      'SHUTDOWN',
      'CONFIG',
      'DEBUG',
      'NOSUCH',
      'MOVE',
    ])('says that %s is not available, alone, in a pipeline and in a transaction', async (name) => {
      const error =
        `ERR Command is not available: '${name}'. ` +
        'See https://upstash.com/docs/redis/overall/rediscompatibility for details'

      expect(await post('/', [name.toLowerCase(), 'x'])).toMatchObject({
        status: 400,
        body: JSON.stringify({ error }),
      })
      expect(await post('/pipeline', [[name], ['PING']])).toMatchObject({
        status: 200,
        body: JSON.stringify([{ error }, { result: 'PONG' }]),
      })
      expect(await post('/multi-exec', [['SET', 'a', 'b'], [name]])).toMatchObject({
        status: 400,
        body: JSON.stringify({ error }),
      })
      expect(await get('/exists/a')).toBe('{"result":0}')
    })

    test('refuses to wait for a stream', async () => {
      const wait = ['XREAD', 'BLOCK', 1000, 'STREAMS', 's', '$']

      expect((await post('/', wait)).status).toBe(400)
      expect((await post('/', ['XREAD', 'STREAMS', 'block', '$'])).body).toBe('{"result":null}')
    })

    test('keeps a script inside its database', async () => {
      await post('/db/other', ['SET', 'a', 'other'])
      const scripts = [
        'redis.call("select", 1)',
        'redis.call("flushall")',
        'redis.call("shutdown")',
      ]
      for (const script of scripts) {
        if (engine === 'in-process' && script.includes('flushall')) continue
        expect((await post('/', ['EVAL', script, 0])).status).toBe(400)
      }

      expect((await post('/', ['COPY', 'x', 'y', 'DB', '1'])).status).toBe(400)
      expect((await post('/db/other', ['GET', 'a'])).body).toBe('{"result":"other"}')
    })

    test('finds a database by path and by host name', async () => {
      await post('/db/other', ['SET', 'where', 'other'])
      await post('/', ['SET', 'where', 'default'])

      expect(await get('/db/other/get/where')).toBe('{"result":"other"}')
      const host = `other.localhost:${new URL(stand.url).port}`
      const byHost = await sendRaw(stand.url, { method: 'GET', path: '/get/where', host })
      expect(byHost.body).toBe('{"result":"other"}')
      const missingDatabase = await stand.send('/db/nowhere/get/where')
      expect(missingDatabase.status).toBe(404)
      expect(await missingDatabase.json()).toEqual({ error: "ERR database 'nowhere' not found" })
    })

    test('refuses impossible database names', async () => {
      for (const name of ['', 'UPPER', 'a/b', '-a', 'x'.repeat(64), '../x']) {
        await expect(stand.redis.databases?.create(name)).rejects.toThrow(/^Cannot create database/)
      }
    })

    test('refuses more than 10 MB in Upstash’s words', async () => {
      const body = JSON.stringify(['SET', 'big', 'x'.repeat(10 * 1024 * 1024)])

      const response = await stand.send('/', { method: 'POST', body })

      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({
        error: `ERR max request size exceeded. Limit: 10485760 bytes, Actual: ${body.length} bytes`,
      })
    })

    test('carries values of several megabytes', async () => {
      const value = 'é'.repeat(2 * 1024 * 1024)
      await post('/', ['SET', 'big', value])

      expect((await post('/', ['GET', 'big'])).body).toBe(`{"result":"${value}"}`)
    })

    test('gives a sync token with every answer', async () => {
      const first = (await post('/', ['PING'])).headers.get('upstash-sync-token')
      const second = (await post('/', ['PING'])).headers.get('upstash-sync-token')

      expect(first).toBeTruthy()
      expect(second).not.toBe(first)
    })

    test('shows commands to a monitor', async () => {
      const controller = new AbortController()
      const response = await stand.send('/monitor', { method: 'POST', signal: controller.signal })
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
      const first = await reader?.read()
      await post('/', ['SET', 'watched', 'v"1'])
      const second = await reader?.read()
      controller.abort()

      expect(response.headers.get('content-type')).toBe('text/event-stream')
      expect(first?.value).toBe('data: "OK"\n\n')
      expect(second?.value).toMatch(
        /^data: \d+\.\d{6} \[0 0\.0\.0\.0:0\] "SET" "watched" "v\\"1"\n\n$/,
      )
    })
  })
})
