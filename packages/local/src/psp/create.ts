import type { Answer, Engine, Exchange } from '../control/exchange.ts'
import { amountIn, answerJson, bodyOf, type Psp, refusable, servePsp, textIn } from './api.ts'
import { Callbacks } from './callbacks.ts'
import { chargeBack, finishAction } from './operations.ts'
import { newRef, Records } from './records.ts'

export type PspOptions = {
  /** Folder of `payments.ndjson`; `undefined` keeps everything in memory. */
  readonly dataDir: string | undefined
  /** What callers show as a Bearer token. */
  readonly key: string
  /** Signs callbacks. */
  readonly callbackSecret: string
  /** Unix ms. Default `Date.now`. */
  readonly now?: () => number
  /** Delivers the callbacks. Default: the global `fetch`. */
  readonly fetch?: typeof fetch
}

type Control = (exchange: Exchange) => Promise<Answer>

/** What the payer and the payer's bank do, and what a test wants to know or hold back. */
function controlsOf(psp: Psp): Readonly<Record<string, Control>> {
  const { records, callbacks, now } = psp
  return {
    '/_local/psp/actions': (exchange) =>
      refusable(() => {
        const body = bodyOf(exchange)
        const approved = body['approved'] !== false
        const payment = finishAction(records.get(textIn(body, 'ref')), { approved, at: now() })
        records.save(payment)
        callbacks.announce(payment, `payment.authorise.${approved ? 'succeeded' : 'failed'}`)
        return answerJson(payment)
      }),
    '/_local/psp/chargebacks': (exchange) =>
      refusable(() => {
        const body = bodyOf(exchange)
        const ref = newRef('cb')
        const occasion = { ref, key: ref, name: ref, at: now() }
        const payment = chargeBack(records.get(textIn(body, 'ref')), amountIn(body), occasion)
        records.save(payment)
        callbacks.announce(payment, 'payment.chargeback.succeeded')
        return answerJson(payment)
      }),
    '/_local/psp/callbacks': (exchange) =>
      refusable(() => {
        const { searchParams } = new URL(exchange.target, 'http://psp')
        if (exchange.method === 'POST') callbacks.hold(bodyOf(exchange)['held'] === true)
        return answerJson({ callbacks: callbacks.of(searchParams.get('ref') ?? '') })
      }),
  }
}

/** A payment service provider with books of its own, which outlive a kill. Sends callbacks; moves no money. */
export function createPsp(options: PspOptions): Engine {
  const now = options.now ?? Date.now
  const callbacks = new Callbacks({
    secret: options.callbackSecret,
    fetch: options.fetch ?? fetch,
    now,
  })
  const psp: Psp = { records: new Records(options.dataDir), callbacks, key: options.key, now }
  return {
    name: 'psp',
    handle: (exchange) => servePsp(psp, exchange),
    databaseOf: () => undefined,
    control: controlsOf(psp),
    close: () => {
      callbacks.close()
      return Promise.resolve()
    },
  }
}
