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
import { attemptsMax, type DueDelivery, outcomeOf } from '../src/domain/delivery.ts'
import { payloadOf } from '../src/domain/payload.ts'
import type { DeliveryStore, PostWebhook } from '../src/domain/ports.ts'
import { formatSecret, signedHeaders } from '../src/domain/sign.ts'
import { readConfig } from '../src/env.ts'
import { postWebhook } from '../src/store/post-webhook.ts'
import { confirmed, newId, told } from './harness.ts'

const ids = createIds({ clock: manualClock(1_790_000_000_000), random: secureRandom })

describe('signedHeaders', () => {
  test("are those of the first vector of Standard Webhooks' own tests", async () => {
    const text = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      seconds: 1_614_265_330,
      body: '{"test": 2432232314}',
    }

    expect(await signedHeaders(text, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  test('change with the secret, the id, the time and each byte of the body', async () => {
    const text = { id: 'whd_1', seconds: 1, body: '{}' }
    const secret = formatSecret(new Uint8Array(32))
    const variants = [
      signedHeaders(text, secret),
      signedHeaders(text, formatSecret(new Uint8Array(32).fill(255))),
      signedHeaders({ ...text, id: 'whd_2' }, secret),
      signedHeaders({ ...text, seconds: 2 }, secret),
      signedHeaders({ ...text, body: '{} ' }, secret),
    ]

    const signatures = (await Promise.all(variants)).map((each) => each['webhook-signature'])

    expect(new Set(signatures).size).toBe(variants.length)
  })
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
    expect(outcomeOf(status, attempts)).toEqual({ state, status, isGone: status === 410 })
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
    const gone = { release: [], missing: [product] }
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

const delivery = (attempts: number): DueDelivery => ({
  id: ids.root('x'),
  state: 'pending',
  attempts,
  payload: '{}',
  endpoint: ids.root('x'),
  url: 'https://merchant.example.com/',
  secret: formatSecret(new Uint8Array(32)),
  isActive: true,
})

/** A service whose receivers answer as `post` does; `recorded` tells the outcomes. */
function service(due: readonly DueDelivery[], post: PostWebhook) {
  const clock = manualClock(1_000_000)
  const recorded: (readonly [string, string])[] = []
  const deliveries: Pick<DeliveryStore, 'due' | 'record'> = {
    due: async () => due,
    record: async ({ id }, { state }) => {
      recorded.push([id, state])
    },
  }
  const urlPolicy = { ownHost: 'api.stoa.example', allowLoopback: false }
  const deps = { deliveries: deliveries as DeliveryStore, post, urlPolicy, clock }
  return { deps, clock, recorded }
}

describe('attemptDeliveries', () => {
  test('calls at most five receivers at a time, the least tried first', async () => {
    const due = [3, 1, 2, 0, 1, 0, 2, 3].map(delivery)
    let [busy, most] = [0, 0]
    const { deps, recorded } = service(due, async () => {
      busy += 1
      most = Math.max(most, busy)
      await Promise.resolve()
      busy -= 1
      return 200
    })

    await attemptDeliveries(deps, [], rootCall('t'))

    expect(most).toBe(5)
    const attempts = recorded.map(([id]) => due.find((each) => each.id === id)?.attempts)
    expect(attempts).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
  })

  test('begins no attempt that the call is too short for, and says that some are pending', async () => {
    const due = Array.from({ length: 7 }, () => delivery(0))
    const { deps, clock, recorded } = service(due, async () => {
      clock.advance(4_000)
      return 200
    })

    const attempts = attemptDeliveries(deps, [], within(rootCall('t'), 30_000, clock))

    await expect(attempts).rejects.toMatchObject({ code: 'webhooks_pending', retryable: true })
    expect(recorded.length).toBeGreaterThan(0)
    expect(recorded.length).toBeLessThan(due.length)
  })

  test('does not call an address that the policy has come to refuse', async () => {
    const refused = { ...delivery(0), url: 'https://10.0.0.1/' }
    const { deps, recorded } = service([refused], () => Promise.reject(new Error('was called')))

    await attemptDeliveries(deps, [], rootCall('t'))

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

    expect(await posting).toBeUndefined()
  })

  test('fails with its call, and not as if the receiver had', async () => {
    const clock = manualClock()
    const posting = postWebhook(silence, clock)(webhook, within(rootCall('t'), 5_000, clock))

    clock.advance(5_000)

    await expect(posting).rejects.toThrow(DeadlineExceededError)
  })

  test('reads nothing of the answer but its status', async () => {
    let cancelled = false
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel: () => {
        cancelled = true
      },
    })

    const status = await postWebhook(async () => new Response(body), manualClock())(
      webhook,
      rootCall('t'),
    )

    expect([status, cancelled]).toEqual([200, true])
  })
})
