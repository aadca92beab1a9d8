import { createHmac } from 'node:crypto'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { devTokens, openServer, type OpenServer } from '../../src/index.ts'

type Operation = { readonly kind: string; readonly state: string; readonly amountMinor: number }
type Payment = {
  readonly ref: string
  readonly operations: readonly Operation[]
  readonly error?: { readonly code: string }
}

let dataDir: string
let server: OpenServer

function open(): Promise<OpenServer> {
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  return openServer('psp', { dataDir, ports, redisEngine: 'in-process' })
}

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-psp-'))
  server = await open()
})

afterEach(async () => {
  await server.close()
  await rm(dataDir, { recursive: true, force: true })
})

async function send(route: string, body?: unknown, key?: string) {
  const response = await fetch(`${server.url}${route}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${devTokens.psp}`,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json'
  return { status: response.status, text, body: (isJson ? JSON.parse(text) : {}) as Payment }
}

function pay(token = 'tok_ok', more: object = {}, key = 'k1') {
  return send('/v1/payments', { amountMinor: 1_000, currency: 'EUR', token, ...more }, key)
}

function kindsOf({ operations }: Payment): readonly string[] {
  return operations.map(({ kind, state, amountMinor }) => `${kind} ${state} ${amountMinor}`)
}

describe('the payment provider', () => {
  test('authorises, captures in parts, voids the rest and refunds in parts', async () => {
    const { ref } = (await pay()).body
    const at = `/v1/payments/${ref}`

    await send(`${at}/captures`, { amountMinor: 300, name: 'a' }, 'c1')
    await send(`${at}/captures`, { amountMinor: 200, name: 'b' }, 'c2')
    await send(`${at}/void`, { name: 'v' }, 'v1')
    await send(`${at}/refunds`, { amountMinor: 100, name: 'c' }, 'r1')
    const last = await send(`${at}/refunds`, { amountMinor: 400, name: 'd' }, 'r2')

    expect(kindsOf(last.body)).toEqual([
      'authorise succeeded 1000',
      'capture succeeded 300',
      'capture succeeded 200',
      'void succeeded 500',
      'refund succeeded 100',
      'refund succeeded 400',
    ])
    expect((await send(at)).body).toEqual(last.body)
    expect((await send('/v1/payments?key=k1')).body.ref).toBe(ref)
  })

  test('does once what is asked again under a key, and refuses the key for anything else', async () => {
    const first = await pay()
    const again = await pay()
    const other = await pay('tok_ok', { amountMinor: 5 })
    const at = `/v1/payments/${first.body.ref}/captures`
    await send(at, { amountMinor: 300, name: 'a' }, 'c1')
    const twice = await send(at, { amountMinor: 300, name: 'a' }, 'c1')
    const changed = await send(at, { amountMinor: 301, name: 'a' }, 'c1')

    expect(again.text).toBe(first.text)
    expect([other.status, other.body.error?.code]).toEqual([422, 'idempotency_key_reused'])
    expect(twice.body.operations).toHaveLength(2)
    expect(changed.status).toBe(422)
  })

  test.each([
    ['captures', 1_001],
    ['refunds', 1],
    ['captures', 0],
    ['captures', 1.5],
  ])('refuses %s of %d, and changes nothing', async (what, amountMinor) => {
    const { ref } = (await pay()).body

    const { status } = await send(`/v1/payments/${ref}/${what}`, { amountMinor, name: 'x' }, 'x')

    expect(status).toBeGreaterThanOrEqual(400)
    expect((await send(`/v1/payments/${ref}`)).body.operations).toHaveLength(1)
  })

  test.each([
    ['tok_declined', 402, 'authorise failed 1000'],
    ['tok_3ds', 200, 'authorise action_required 1000'],
    ['tok_error_after', 500, 'authorise succeeded 1000'],
  ])('answers %s with %d, and keeps it', async (token, status, kind) => {
    expect((await pay(token)).status).toBe(status)
    expect(kindsOf((await send('/v1/payments?key=k1')).body)).toEqual([kind])
  })

  test('has no record of what failed before it was done', async () => {
    expect((await pay('tok_error')).status).toBe(500)
    expect((await send('/v1/payments?key=k1')).status).toBe(404)
  })

  test('wants its key', async () => {
    const response = await fetch(`${server.url}/v1/payments?key=k1`)
    await response.body?.cancel()

    expect(response.status).toBe(401)
  })

  test('comes back with all that it has said, also after a torn write', async () => {
    const { ref } = (await pay()).body
    await server.close()
    await appendFile(path.join(dataDir, 'psp', 'payments.ndjson'), '{"ref":"torn')
    server = await open()

    await send(`/v1/payments/${ref}/captures`, { amountMinor: 300, name: 'a' }, 'c1')
    await server.close()
    server = await open()

    expect(kindsOf((await send(`/v1/payments/${ref}`)).body)).toEqual([
      'authorise succeeded 1000',
      'capture succeeded 300',
    ])
  })

  test('states what moved money on a day', async () => {
    const { ref } = (await pay()).body
    await send(`/v1/payments/${ref}/captures`, { amountMinor: 300, name: 'a' }, 'c1')
    await send(`/v1/payments/${ref}/refunds`, { amountMinor: 50, name: 'b' }, 'r1')
    const today = new Date().toISOString().slice(0, 10)

    const { text } = await send(`/v1/statements/${today}`)
    const other = await send('/v1/statements/2001-01-01')

    const lines = text.trim().split('\n')
    expect(lines[0]).toBe('operation,payment,key,kind,amount_minor,currency,at')
    expect(lines.slice(1).map((line) => line.split(',').slice(1, 6).join())).toEqual([
      `${ref},c1,capture,300,EUR`,
      `${ref},r1,refund,-50,EUR`,
    ])
    expect(other.text.trim().split('\n')).toHaveLength(1)
  })
})

describe('a callback', () => {
  test('is signed over its second and its body, and comes again until it is taken', async () => {
    const heard: { readonly body: string; readonly signature: string }[] = []
    const listener = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const signature = String(request.headers['sandbox-signature'])
        heard.push({ body: Buffer.concat(chunks).toString('utf8'), signature })
        response.writeHead(heard.length === 1 ? 503 : 200).end()
      })
    })
    await new Promise<void>((resolve) => {
      listener.listen(0, '127.0.0.1', resolve)
    })
    const { port } = listener.address() as AddressInfo

    const { ref } = (await pay('tok_ok', { callbackUrl: `http://127.0.0.1:${port}/` })).body
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(2)
    listener.close()

    const [one, two] = heard
    expect(two?.body).toBe(one?.body)
    expect(JSON.parse(one?.body ?? '')).toMatchObject({ payment: ref })
    const [, t = '', mac] = /^t=(\d+),v1=(\w+)$/.exec(one?.signature ?? '') ?? []
    const expected = createHmac('sha256', devTokens.pspCallbacks).update(`${t}.${one?.body ?? ''}`)
    expect(mac).toBe(expected.digest('hex'))
  })

  test('tells what the payer and the bank did', async () => {
    const held = await fetch(`${server.url}/_local/psp/callbacks`, {
      method: 'POST',
      body: '{"held":true}',
    })
    await held.body?.cancel()
    const { ref } = (await pay('tok_3ds', { callbackUrl: 'http://127.0.0.1:9/' })).body
    const control = (what: string, body: object) =>
      fetch(`${server.url}/_local/psp/${what}`, { method: 'POST', body: JSON.stringify(body) })
    await (await control('actions', { ref })).body?.cancel()
    await send(`/v1/payments/${ref}/captures`, { amountMinor: 1_000, name: 'a' }, 'c1')
    await (await control('chargebacks', { ref, amountMinor: 600 })).body?.cancel()

    const response = await fetch(`${server.url}/_local/psp/callbacks?ref=${ref}`)
    const { callbacks } = (await response.json()) as { callbacks: readonly { body: string }[] }

    expect(callbacks.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      'payment.authorise.action_required',
      'payment.authorise.succeeded',
      'payment.capture.succeeded',
      'payment.chargeback.succeeded',
    ])
  })
})
