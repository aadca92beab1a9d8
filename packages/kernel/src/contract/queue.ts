/* oxlint-disable max-lines-per-function -- a suite is a list of promises, not a procedure */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { rootCall } from '../call.ts'
import type { QueuePort, QueueVerifier, SignedDelivery } from '../queue.ts'

/** A port under test, and a URL to which it may deliver; `close` gives back what `make` took. */
export type QueueFixture = {
  readonly port: QueuePort
  readonly url: string
  readonly close: () => Promise<void>
}

const call = rootCall('queue-contract')

/** What every {@link QueuePort} promises about taking messages. */
export function queueContract(name: string, make: () => Promise<QueueFixture>): void {
  describe(`${name} keeps the queue contract: it`, () => {
    let fixture: QueueFixture
    beforeAll(async () => {
      fixture = await make()
    })
    afterAll(() => fixture.close())

    const message = (body: string) => ({ url: fixture.url, body, delayMs: 3_600_000 })

    test('gives every message its own id', async () => {
      const answers = await fixture.port.publish([message('1'), message('2'), message('3')], call)

      const ids = answers.map((answer) => ('messageId' in answer ? answer.messageId : ''))
      expect(new Set(ids).size).toBe(3)
      expect(ids).not.toContain('')
      expect(answers).toMatchObject(Array.from({ length: 3 }, () => ({ deduplicated: false })))
    })

    test('knows a deduplication id again', async () => {
      const twin = { ...message('twin'), deduplicationId: 'evt-1' }

      const [first] = await fixture.port.publish([twin], call)
      const [second] = await fixture.port.publish([twin], call)

      expect(first).toMatchObject({ deduplicated: false })
      expect(second).toEqual({ ...first, deduplicated: true })
    })

    test('takes the good messages and says which it refused', async () => {
      const bad = { ...message('bad'), url: 'no-such-url-group' }

      const answers = await fixture.port.publish([message('good'), bad, message('good')], call)

      expect(answers.map((answer) => 'messageId' in answer)).toEqual([true, false, true])
    })

    test('does nothing for an empty list', async () => {
      await expect(fixture.port.publish([], call)).resolves.toEqual([])
    })

    test('sends nothing for a call that is over, and throws its reason', async () => {
      const over = { ...call, signal: AbortSignal.abort(new Error('hung up')) }
      const late = { ...message('late'), deduplicationId: 'evt-late' }

      await expect(fixture.port.publish([late], over)).rejects.toThrow('hung up')
      const [answer] = await fixture.port.publish([late], call)
      expect(answer).toMatchObject({ deduplicated: false })
    })
  })
}

/** A verifier under test, and the queue's own hand. */
export type QueueVerifierFixture = {
  readonly verifier: QueueVerifier
  readonly sign: (delivery: Omit<SignedDelivery, 'signature'>) => Promise<string>
}

/** What every {@link QueueVerifier} promises: it believes the queue, and nobody else. */
export function queueVerifierContract(name: string, make: () => QueueVerifierFixture): void {
  describe(`${name} keeps the verifier contract: it`, () => {
    const { verifier, sign } = make()
    const sent = { body: '{"events":[]} Στοά', url: 'https://stoa.example/_inbox/orders' }

    test('believes what the queue signed', async () => {
      const signature = await sign(sent)

      await expect(verifier.verify({ ...sent, signature }, call)).resolves.toBeUndefined()
    })

    test.for<[string, Partial<SignedDelivery>]>([
      ['another body', { body: '{"events":[1]}' }],
      ['another URL', { url: 'https://stoa.example/_inbox/payments' }],
      ['an empty signature', { signature: '' }],
      ['a signature that is none', { signature: 'a.b.c' }],
    ])('refuses %s', async ([, change]) => {
      const delivery = { ...sent, signature: await sign(sent), ...change }

      await expect(verifier.verify(delivery, call)).rejects.toMatchObject({
        code: 'bad_signature',
        kind: 'unauthenticated',
      })
    })
  })
}
