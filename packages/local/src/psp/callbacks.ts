import { createHmac } from 'node:crypto'

import { type PspPayment } from './model.ts'
import { newRef } from './records.ts'

/** How long after an attempt that failed the next one comes, in milliseconds; then the provider gives up. */
const waitsMs = [200, 1_000, 5_000, 30_000, 120_000, 600_000]
const answerMsMax = 10_000
/** How many callbacks are remembered for tests to look at. */
const keptMax = 10_000

export type Callback = {
  readonly id: string
  readonly ref: string
  readonly url: string
  readonly body: string
  readonly attempts: number
  readonly delivered: boolean
}

/** The signature header of a callback: the second it was made at, and an HMAC over that and the raw body. */
export function signCallback(body: string, secret: string, now: number): string {
  const t = Math.floor(now / 1_000)
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`
}

/** Tells callers what happened to their payments: at least once, late, in any order, until they answer 2xx. */
export class Callbacks {
  readonly #options: {
    readonly secret: string
    readonly fetch: typeof fetch
    readonly now: () => number
  }
  readonly #kept: Callback[] = []
  readonly #timers = new Set<NodeJS.Timeout>()
  #held = false
  #closed = false

  constructor(options: { secret: string; fetch: typeof fetch; now: () => number }) {
    this.#options = options
  }

  /** While held, callbacks are made and listed, and not sent. */
  hold(held: boolean): void {
    this.#held = held
  }

  of(ref: string): readonly (Callback & { readonly signature: string })[] {
    const { secret, now } = this.#options
    return this.#kept
      .filter((each) => each.ref === ref)
      .map((each) => ({ ...each, signature: signCallback(each.body, secret, now()) }))
  }

  announce(payment: PspPayment, type: string): void {
    const { callbackUrl: url, ref, metadata } = payment
    if (url === undefined) return
    const id = newRef('evt')
    const body = JSON.stringify({ id, type, at: this.#options.now(), payment: ref, metadata })
    this.#kept.push({ id, ref, url, body, attempts: 0, delivered: false })
    if (this.#kept.length > keptMax) this.#kept.shift()
    if (!this.#held) this.#later(id, 0)
  }

  #later(id: string, ms: number): void {
    if (this.#closed) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void this.#attempt(id)
    }, ms)
    this.#timers.add(timer)
  }

  #change(id: string, change: Partial<Callback>): void {
    const at = this.#kept.findIndex((each) => each.id === id)
    const known = this.#kept[at]
    if (known !== undefined) this.#kept[at] = { ...known, ...change }
  }

  async #attempt(id: string): Promise<void> {
    const callback = this.#kept.find((each) => each.id === id)
    if (callback === undefined || this.#closed) return
    const { secret, now, fetch: send } = this.#options
    const { url, body } = callback
    const delivered = await send(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'sandbox-signature': signCallback(body, secret, now()),
      },
      body,
      signal: AbortSignal.timeout(answerMsMax),
    }).then(
      async (response) => {
        await response.body?.cancel()
        return response.ok
      },
      () => false,
    )
    const attempts = callback.attempts + 1
    this.#change(id, { attempts, delivered })
    const wait = waitsMs[attempts - 1]
    if (!delivered && wait !== undefined) this.#later(id, wait)
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
