import { type EventData } from '@stoa/contracts'
import {
  BadSignatureError,
  createIds,
  Fault,
  type FaultKind,
  manualClock,
  type QueueVerifier,
  seededRandom,
} from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { describe, expect, test } from 'vitest'

import { createService, type InboxOptions, serveInbox } from '../src/index.ts'

const ids = createIds({ clock: manualClock(1_790_000_000_000), random: seededRandom(1) })

function registered(): StoaEvent<'member.registered'> {
  const member = ids.root('x')
  const data: EventData<'member.registered'> = { member, handle: 'ada', name: 'Ada' }
  return newEvent(ids, 'member.registered', { key: member, seq: 1, at: 1, cause: 't', data })
}

class FailedError extends Fault {
  override readonly name = 'FailedError'
  override readonly code = 'failed'
  override readonly kind: FaultKind = 'unavailable'
  override readonly retryable = true
  override readonly retryAfterMs: number | undefined
  constructor(retryAfterMs?: number) {
    super('Cannot')
    this.retryAfterMs = retryAfterMs
  }
}

const verifier: QueueVerifier = {
  verify: async ({ signature, body, url }) => {
    if (signature !== `${url} ${body.length}`) throw new BadSignatureError()
  },
}

function inboxOf(apply: InboxOptions['apply'] = async () => undefined) {
  const applied: StoaEvent[][] = []
  const reported: unknown[] = []
  const report = (error: unknown) => reported.push(error)
  const service = createService({
    authenticate: () => Promise.reject(new Error('nobody asks')),
    tokens: { operator: 'o'.repeat(16), importer: 'i'.repeat(16) },
    secret: 's'.repeat(16),
    report,
  })
  serveInbox(service, {
    consumer: 'social',
    publicUrl: 'https://stoa.example',
    verifier,
    apply: async (events, call) => {
      applied.push([...events])
      await apply(events, call)
    },
    report,
  })
  return { service, applied, reported }
}

const url = 'https://stoa.example/_inbox/social'

/** A delivery as it arrives behind the gateway: under another host than it was signed for. */
function delivery(body: string, signature: string | undefined = `${url} ${body.length}`): Request {
  return new Request('http://service/_inbox/social', {
    method: 'POST',
    body,
    headers: signature === '' ? {} : { 'upstash-signature': signature },
  })
}

async function send(apply: InboxOptions['apply'] | undefined, request: Request) {
  const { service, applied, reported } = inboxOf(apply)
  const response = await service.fetch(request)
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body, applied, reported }
}

const text = (...events: unknown[]) => JSON.stringify({ events })

describe('the inbox route', () => {
  test('applies signed events and answers 200', async () => {
    const events = [registered(), registered()]

    const { status, applied } = await send(undefined, delivery(text(...events)))

    expect(status).toBe(200)
    expect(applied).toEqual([events])
  })

  test.each([
    ['no signature', delivery(text(registered()), '')],
    ['a signature for another body', delivery(text(registered()), `${url} 1`)],
    ['a signature for another URL', delivery('{}', 'http://service/_inbox/social 2')],
  ])('refuses %s with 401 and applies nothing', async (_what, request) => {
    const { status, body, applied } = await send(undefined, request)

    expect([status, body['code']]).toEqual([401, 'bad_signature'])
    expect(applied).toEqual([])
  })

  test.each([
    ['no events', '{}'],
    ['none in it', text()],
    ['too many', text(...Array.from({ length: 101 }, registered))],
    ['none that can be read', text({ id: 'x' }, null)],
  ])('answers %s with 489, so that the queue gives up at once', async (_what, body) => {
    const { status, headers, applied } = await send(undefined, delivery(body))

    expect(status).toBe(489)
    expect(headers.get('upstash-nonretryable-error')).toBe('true')
    expect(applied).toEqual([])
  })

  test.each([
    ['a type that nobody knows', { type: 'member.ascended' }, 'event_type_unknown'],
    ['a version that is not there yet', { v: 99 }, 'event_version_unknown'],
    ['data of another type', { data: { follower: 'x' } }, 'event_data_invalid'],
    ['no order number', { seq: 0 }, 'event_malformed'],
  ])('says of %s why it is poison, and applies nothing of it', async (_what, wrong, reason) => {
    const { status, body, applied } = await send(
      undefined,
      delivery(text({ ...registered(), ...wrong })),
    )

    expect([status, body['code'], body['reasons']]).toEqual([489, 'poison', [reason]])
    expect(applied).toEqual([])
  })

  test('applies what can be read before it gives up the rest', async () => {
    const good = registered()

    const { status, applied } = await send(undefined, delivery(text({ id: 'x' }, good)))

    expect(status).toBe(489)
    expect(applied).toEqual([[good]])
  })

  test('has the whole come again when what can be read could not be applied', async () => {
    const failing = () => Promise.reject(new FailedError())

    const { status, headers } = await send(failing, delivery(text({ id: 'x' }, registered())))

    expect([status, headers.get('upstash-nonretryable-error')]).toEqual([503, null])
  })

  test.each([
    ['leaves the wait to the queue, whose own grow', undefined, null],
    ['names the wait when the fault knows it', 90_000, '90'],
  ])('%s', async (_what, retryAfterMs, expected) => {
    const failing = () => Promise.reject(new FailedError(retryAfterMs))

    const { headers, reported } = await send(failing, delivery(text(registered())))

    expect(headers.get('retry-after')).toBe(expected)
    expect(reported).toEqual([])
  })

  test('answers a bug with 500, reports it, and says nothing about it', async () => {
    const bug = new TypeError('secret')

    const { status, body, reported } = await send(
      () => Promise.reject(bug),
      delivery(text(registered())),
    )

    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toContain('secret')
    expect(reported).toEqual([bug])
  })

  test('refuses more than a megabyte unread, and another method', async () => {
    const { status } = await send(undefined, delivery('x'.repeat(1_048_577)))
    const { service } = inboxOf()

    expect(status).toBe(413)
    expect((await service.fetch(new Request('http://service/_inbox/social'))).status).toBe(404)
  })
})
