import {
  createIds,
  DeadlineExceededError,
  manualClock,
  rootCall,
  secureRandom,
  within,
} from '@stoa/kernel'
import { describe, expect, inject, test } from 'vitest'

import { answerMsMax, attemptDeliveries } from '../src/domain/attempt-deliveries.ts'
import type { DueDelivery } from '../src/domain/delivery.ts'
import { postponedTo } from '../src/domain/health.ts'
import { type Answer, outcomeOf } from '../src/domain/outcome.ts'
import { payloadOf } from '../src/domain/payload.ts'
import type { DeliveryStore, PostWebhook } from '../src/domain/ports.ts'
import { attemptsMax } from '../src/domain/schedule.ts'
import { newSecret, signatureOf, signedHeaders, verificationOf } from '../src/domain/sign.ts'
import { readConfig } from '../src/env.ts'
import { postWebhook } from '../src/store/post-webhook.ts'
import { cancellationOf, confirmed, newId, told } from './harness.ts'
import { still } from './world.ts'

const ids = createIds({ clock: manualClock(1_790_000_000_000), random: secureRandom })

const vector = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  seconds: 1_614_265_330,
  body: '{"test": 2432232314}',
}
const sharedSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const sharedSignature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
const keyPair =
  'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
const keyPairSignature =
  'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=='

describe('signedHeaders', () => {
  test("are those of the first vector of Standard Webhooks' own tests", async () => {
    expect(await signedHeaders(vector, [sharedSecret])).toEqual({
      'webhook-id': vector.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': sharedSignature,
    })
  })

  test("are those of the Ed25519 vector of Svix's own tests, with its public key", async () => {
    expect(await signedHeaders(vector, [keyPair])).toMatchObject({
      'webhook-signature': keyPairSignature,
    })
    expect(verificationOf(keyPair)).toEqual({
      publicKey: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
    })
  })

  test('hold a signature by each secret, the newest first', async () => {
    const { 'webhook-signature': signatures } = await signedHeaders(vector, [keyPair, sharedSecret])

    expect(signatures).toBe(`${keyPairSignature} ${sharedSignature}`)
  })

  test.each(['v1', 'v1a'] as const)(
    'of %s change with the secret, the id, the time and each byte of the body',
    async (signature) => {
      const text = { id: 'whd_1', seconds: 1, body: '{}' }
      const secret = await newSecret(signature, secureRandom)
      const variants = [
        signedHeaders(text, [secret]),
        signedHeaders(text, [await newSecret(signature, secureRandom)]),
        signedHeaders({ ...text, id: 'whd_2' }, [secret]),
        signedHeaders({ ...text, seconds: 2 }, [secret]),
        signedHeaders({ ...text, body: '{} ' }, [secret]),
      ]

      const signatures = (await Promise.all(variants)).map((each) => each['webhook-signature'])

      expect(new Set(signatures).size).toBe(variants.length)
    },
  )

  test('of a new key pair are verified by its public key', async () => {
    const secret = await newSecret('v1a', secureRandom)
    const { 'webhook-signature': text = '' } = await signedHeaders(vector, [secret])
    const shown = verificationOf(secret)
    const bytes = (base64: string) =>
      Uint8Array.from(atob(base64), (each) => each.codePointAt(0) ?? 0)
    const raw = bytes('publicKey' in shown ? shown.publicKey.slice('whpk_'.length) : '')
    const key = await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify'])
    const content = new TextEncoder().encode(`${vector.id}.${vector.seconds}.${vector.body}`)

    const isRight = await crypto.subtle.verify(
      { name: 'Ed25519' },
      key,
      bytes(text.slice('v1a,'.length)),
      content,
    )

    expect([isRight, raw.length, signatureOf(secret)]).toEqual([true, 32, 'v1a'])
  })
})

const answer = (given: Partial<Answer>): Answer => ({
  status: undefined,
  error: undefined,
  text: '',
  retryAfter: null,
  begun: 1_000_000,
  ended: 1_000_000,
  ...given,
})

describe('outcomeOf', () => {
  test.each([
    [200, 0, 'delivered'],
    [204, 3, 'delivered'],
    [299, 0, 'delivered'],
    [199, 0, 'pending'],
    [300, 0, 'pending'],
    [302, 0, 'pending'],
    [400, 0, 'pending'],
    [404, 2, 'pending'],
    [410, 0, 'failed'],
    [500, attemptsMax - 2, 'pending'],
    [500, attemptsMax - 1, 'failed'],
    [undefined, 0, 'pending'],
    [undefined, attemptsMax - 1, 'failed'],
    [503, 99, 'failed'],
  ])('takes %s after %i attempts for %s', (status, attempts, state) => {
    const tried = { attempts, earlier: 0, acknowledgement: 'status' } as const

    expect(outcomeOf(answer({ status }), tried, still)).toMatchObject({
      state,
      isGone: status === 410,
      isWell: state === 'delivered',
    })
  })

  test('does not count the attempts of earlier rounds', () => {
    const tried = { attempts: 20, earlier: 19, acknowledgement: 'status' } as const

    expect(outcomeOf(answer({ status: 500 }), tried, still)).toMatchObject({ state: 'pending' })
  })

  test.each([
    [200, 'success', true],
    [201, ' success\n', true],
    [200, '{"code":"SUCCESS","message":"ok"}', true],
    [200, 'SUCCESS', false],
    [200, '{"code":"FAIL"}', false],
    [200, '{"code":', false],
    [200, '"success"', false],
    [200, 'null', false],
    [200, '', false],
    [500, 'success', false],
    [302, 'success', false],
  ])('takes %s with the body %j for %s where the body acknowledges', (status, text, isWell) => {
    const tried = { attempts: 0, earlier: 0, acknowledgement: 'body' } as const

    expect(outcomeOf(answer({ status, text }), tried, still)).toMatchObject({
      state: isWell ? 'delivered' : 'pending',
      isWell,
    })
  })

  test('takes 2xx for well and not for delivered where a call acknowledges', () => {
    const tried = { earlier: 0, acknowledgement: 'call' } as const
    const well = answer({ status: 200 })

    expect(outcomeOf(well, { ...tried, attempts: 0 }, still)).toMatchObject({
      state: 'pending',
      isWell: true,
    })
    expect(outcomeOf(well, { ...tried, attempts: attemptsMax - 1 }, still)).toMatchObject({
      state: 'failed',
      isWell: true,
    })
  })
})

describe('postponedTo', () => {
  test('puts those in line apart, and behind the time of a probe', () => {
    const at = (health: 'healthy' | 'degraded' | 'suspended', place: number) =>
      postponedTo({ health, probeAt: 50_000 }, { now: 10_000, place })

    expect([at('healthy', 0), at('healthy', 1)]).toEqual([11_000, 12_000])
    expect([at('degraded', 0), at('degraded', 1)]).toEqual([25_000, 40_000])
    expect([at('suspended', 0), at('suspended', 1)]).toEqual([51_000, 52_000])
  })
})

describe('payloadOf', () => {
  test('tells a seller among others nothing of what they sold', () => {
    const [one, two] = [newId(), newId()]

    const event = confirmed(one, two)
    const { data } = JSON.parse(payloadOf(event, one)) as { data: object }

    expect(Object.keys(data)).toEqual(['order', 'buyer', 'seller'])
  })

  test('tells the only seller which products were missing', () => {
    const [seller, product] = [newId(), newId()]
    const gone = { missing: [product] }
    const event = told('order.rejected', {
      order: newId(),
      buyer: newId(),
      sellers: [seller],
      ...gone,
    })

    expect(JSON.parse(payloadOf(event, seller))).toMatchObject({
      type: 'order.rejected',
      data: { seller: `usr_${seller}`, missing: [`prd_${product}`] },
    })
  })

  test('tells the only seller of a cancelled order of what, and every seller by whom', () => {
    const [one, two] = [newId(), newId()]
    const [mine, shared] = [cancellationOf(confirmed(one)), cancellationOf(confirmed(one, two))]
    const dataIn = (event: typeof mine) =>
      (JSON.parse(payloadOf(event, one)) as { data: object }).data

    expect(dataIn(mine)).toEqual({
      order: `ord_${mine.data.order}`,
      buyer: `usr_${mine.data.buyer}`,
      seller: `usr_${one}`,
      by: 'buyer',
      lines: [{ product: `prd_${mine.data.lines[0]?.product ?? ''}`, quantity: 2 }],
      totalMinor: 500,
      currency: 'EUR',
    })
    expect(Object.keys(dataIn(shared))).toEqual(['order', 'buyer', 'seller', 'by'])
  })
})

describe('readConfig', () => {
  const env = inject('stoaEnv')

  test('lets webhooks go to loopback only in a deployment that is there itself', () => {
    const allowing = { ...env, ALLOW_LOOPBACK_WEBHOOKS: 'true' }

    expect(readConfig(env).ALLOW_LOOPBACK_WEBHOOKS).toBe(false)
    expect(readConfig(allowing).ALLOW_LOOPBACK_WEBHOOKS).toBe(true)
    for (const url of ['https://api.stoa.example', 'http://127.0.0.1.stoa.example']) {
      expect(() => readConfig({ ...allowing, PUBLIC_URL: url })).toThrow('ALLOW_LOOPBACK_WEBHOOKS')
    }
  })
})

const delivery = (attempts: number, more: Partial<DueDelivery> = {}): DueDelivery => ({
  id: ids.root('x'),
  turn: 'mine',
  lease: 'me',
  attempts,
  earlier: 0,
  asked: 1,
  payload: '{}',
  begunAt: 0,
  endpoint: ids.root('x'),
  url: 'https://merchant.example.com/',
  secrets: [sharedSecret],
  acknowledgement: 'status',
  isActive: true,
  health: 'healthy',
  probeAt: 0,
  ...more,
})

/** A service whose receivers answer as `post` does; tells what was written down of each delivery. */
function service(due: readonly DueDelivery[], post: () => Promise<number>) {
  const clock = manualClock(1_000_000)
  const recorded: (readonly [string, string])[] = []
  const deliveries: Pick<DeliveryStore, 'claim' | 'record' | 'giveUp' | 'postpone'> = {
    claim: async () => due,
    record: async ({ id }, { outcome }) => {
      recorded.push([id, outcome.state])
    },
    giveUp: async ({ id }) => {
      recorded.push([id, 'failed'])
    },
    postpone: async (entries) => {
      recorded.push(...entries.map((each) => [each.delivery.id, 'postponed'] as const))
    },
  }
  const urlPolicy = { ownHost: 'api.stoa.example', allowLoopback: false }
  const posting: PostWebhook = async () => answer({ status: await post() })
  const deps = {
    deliveries: deliveries as DeliveryStore,
    post: posting,
    ringLater: async () => undefined,
    urlPolicy,
    clock,
    ids,
    random: still,
  }
  return { deps, clock, recorded }
}

describe('attemptDeliveries', () => {
  test('calls at most five receivers at a time, the least tried first, the healthy before others', async () => {
    const ill = { health: 'degraded' } as const
    const due = [
      delivery(0, ill),
      ...[3, 1, 2, 0, 1, 0, 2, 3].map((attempts) => delivery(attempts)),
    ]
    let [busy, most] = [0, 0]
    const { deps, recorded } = service(due, async () => {
      busy += 1
      most = Math.max(most, busy)
      await Promise.resolve()
      busy -= 1
      return 200
    })

    await attemptDeliveries(deps, ['x'], rootCall('t'))

    expect(most).toBe(5)
    const attempts = recorded.map(([id]) => due.find((each) => each.id === id)?.attempts)
    expect(attempts).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 0])
  })

  test('begins no attempt that the call is too short for, and puts it off', async () => {
    const due = Array.from({ length: 7 }, () => delivery(0))
    const { deps, clock, recorded } = service(due, async () => {
      clock.advance(4_000)
      return 200
    })

    await attemptDeliveries(deps, ['x'], within(rootCall('t'), 30_000, clock))

    const states = recorded.map(([, state]) => state)
    expect(new Set(states)).toEqual(new Set(['delivered', 'postponed']))
    expect(states).toHaveLength(7)
  })

  test('lets the queue come again for what somebody else holds', async () => {
    const { deps, recorded } = service(
      [delivery(0, { turn: 'held' }), delivery(0)],
      async () => 200,
    )

    const attempts = attemptDeliveries(deps, ['x'], rootCall('t'))

    await expect(attempts).rejects.toMatchObject({ code: 'webhooks_pending', retryable: true })
    expect(recorded).toHaveLength(1)
  })

  test('does not call an address that the policy has come to refuse', async () => {
    const refused = delivery(0, { url: 'https://10.0.0.1/' })
    const { deps, recorded } = service([refused], () => Promise.reject(new Error('was called')))

    await attemptDeliveries(deps, ['x'], rootCall('t'))

    expect(recorded).toEqual([[refused.id, 'failed']])
  })
})

describe('postWebhook', () => {
  const webhook = { url: 'https://merchant.example.com/', headers: {}, body: '{}' }
  const silence = (request: Request) =>
    new Promise<Response>((_resolve, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')))
    })

  test('waits fifteen seconds for an answer', async () => {
    const clock = manualClock()
    const posting = postWebhook(silence, clock)(webhook, rootCall('t'))

    clock.advance(answerMsMax)

    expect(await posting).toEqual(answer({ error: 'timeout', begun: 0, ended: answerMsMax }))
  })

  test('fails with its call, and not as if the receiver had', async () => {
    const clock = manualClock()
    const posting = postWebhook(silence, clock)(webhook, within(rootCall('t'), 5_000, clock))

    clock.advance(5_000)

    await expect(posting).rejects.toThrow(DeadlineExceededError)
  })

  test('tells a connection that broke from silence', async () => {
    const broken = () => Promise.reject(new Error('reset'))

    const posted = await postWebhook(broken, manualClock())(webhook, rootCall('t'))

    expect(posted).toMatchObject({ status: undefined, error: 'network' })
  })

  test('reads the beginning of an endless answer, keeps less, and hangs up', async () => {
    let cancelled = false
    let pulled = 0
    const body = new ReadableStream({
      pull: (controller) => {
        pulled += 1
        controller.enqueue(new Uint8Array(1_024).fill(97))
      },
      cancel: () => {
        cancelled = true
      },
    })
    const headers = { 'retry-after': '7' }

    const posted = await postWebhook(async () => new Response(body, { headers }), manualClock())(
      webhook,
      rootCall('t'),
    )

    expect(posted).toMatchObject({ status: 200, text: 'a'.repeat(500), retryAfter: '7' })
    expect(cancelled).toBe(true)
    expect(pulled).toBeLessThan(10)
  })

  test('takes an answer whose body never ends in time for none', async () => {
    const clock = manualClock()
    const stuck = async (request: Request) => {
      const body = new ReadableStream({
        start: (controller) => {
          request.signal.addEventListener('abort', () => controller.error(new Error('aborted')))
        },
      })
      return new Response(body)
    }
    const posting = postWebhook(stuck, clock)(webhook, rootCall('t'))
    await Promise.resolve()

    clock.advance(answerMsMax)

    expect(await posting).toMatchObject({ status: undefined, error: 'timeout' })
  })
})
