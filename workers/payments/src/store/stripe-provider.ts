import { type Call } from '@stoa/kernel'
import type { Stripe } from 'stripe'

import { BadCallbackError, ProviderUnavailableError } from '../domain/faults.ts'
import type {
  Answer,
  AuthoriseRequest,
  Callback,
  Found,
  OperationRequest,
  Provider,
  StatementLine,
} from '../domain/provider.ts'
import { captureMark, capturesOf, metadataOf, stripeRecord } from './stripe-record.ts'

export type StripeOptions = {
  readonly key: string
  readonly webhookSecret: string
  /** Where its API is. Default: at Stripe's. */
  readonly url: string | undefined
}

/** Less than a call of a provider may take, so that the library's own timer is first. */
const timeoutMs = 4_500
/** How old a callback may be, in seconds: the library's own default, said here. */
const toleranceS = 300
/** What Stripe gives on a page; a payment has fewer refunds and disputes. */
const pageMax = 100

type Opened = { readonly api: Stripe; readonly crypto: Stripe.CryptoProvider }

/** Loads the library on its first use: it is a third of a megabyte that most deployments never need. */
async function open({ key, url }: StripeOptions): Promise<Opened> {
  const { Stripe: Api } = await import('stripe')
  const address = url === undefined ? undefined : new URL(url)
  const api = new Api(key, {
    httpClient: Api.createFetchHttpClient(),
    // Whether to ask again is decided by whoever knows the saga.
    maxNetworkRetries: 0,
    timeout: timeoutMs,
    telemetry: false,
    ...(address === undefined
      ? {}
      : {
          host: address.hostname,
          port: address.port,
          protocol: address.protocol === 'http:' ? ('http' as const) : ('https' as const),
        }),
  })
  return { api, crypto: Api.createSubtleCryptoProvider() }
}

function unknown(why: string): Extract<Answer, { outcome: 'unknown' }> {
  return { outcome: 'unknown', why }
}

type Failure = {
  readonly type: string
  readonly code?: string
  readonly statusCode?: number
  readonly message: string
  readonly payment_intent?: { readonly id?: string }
}

/** What the library throws for an answer above 399, or for none; anything else is a bug. */
function failureOf(error: unknown): Failure {
  if (error instanceof Error && 'type' in error && String(error.type).startsWith('Stripe'))
    return error as unknown as Failure
  throw error
}

/** What a failure says of the payment: refused when Stripe read the request and did nothing. */
function answerOf({ type, code, statusCode, message }: Failure): Answer {
  if (type === 'StripeIdempotencyError')
    return { outcome: 'refused', code: 'idempotency_key_reused' }
  const isRefusal = type === 'StripeInvalidRequestError' || type === 'StripeCardError'
  // 409: another request with the key is under way.
  if (isRefusal && statusCode !== 409)
    return { outcome: 'refused', code: code ?? 'invalid_request' }
  return unknown(message)
}

/** Whether an answer is an earlier one. The fetch client of the library gives `Headers`, whatever its types say. */
function isReplayed(headers: unknown): boolean {
  return headers instanceof Headers && headers.get('idempotent-replayed') === 'true'
}

class StripeProvider implements Provider {
  readonly name = 'stripe'
  readonly #options: StripeOptions
  #opened: Opened | undefined

  constructor(options: StripeOptions) {
    this.#options = options
  }

  async #open(): Promise<Opened> {
    // Only what is finished is kept: a promise of another request must not be waited for.
    this.#opened ??= await open(this.#options)
    return this.#opened
  }

  /** A payment whole. Two round trips: it, and what hangs on it at once. */
  async #whole(ref: string): Promise<Found> {
    const { api } = await this.#open()
    try {
      const [intent, refunds, disputes] = await Promise.all([
        api.paymentIntents.retrieve(ref),
        api.refunds.list({ payment_intent: ref, limit: pageMax }),
        api.disputes.list({ payment_intent: ref, limit: pageMax }),
      ])
      const record = stripeRecord({ intent, refunds: refunds.data, disputes: disputes.data })
      return { outcome: 'known', record }
    } catch (error) {
      const failure = failureOf(error)
      return failure.statusCode === 404 ? { outcome: 'absent' } : answerOf(failure)
    }
  }

  async #known(ref: string): Promise<Answer> {
    const found = await this.#whole(ref)
    return found.outcome === 'absent' ? { outcome: 'refused', code: 'payment_not_found' } : found
  }

  async authorise(request: AuthoriseRequest): Promise<Answer> {
    const { key, subject, amountMinor, currency, token, captureAtOnce } = request
    const { api } = await this.#open()
    try {
      const intent = await api.paymentIntents.create(
        {
          amount: amountMinor,
          currency: currency.toLowerCase(),
          payment_method: token,
          confirm: true,
          capture_method: captureAtOnce ? 'automatic' : 'manual',
          automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
          ...(captureAtOnce
            ? {}
            : { payment_method_options: { card: { request_multicapture: 'if_available' } } }),
          metadata: metadataOf(subject, key),
        },
        { idempotencyKey: key },
      )
      // A repeat is answered as the first was; how it stands now is another question.
      const isReplay = isReplayed(intent.lastResponse.headers)
      const record = stripeRecord({ intent, refunds: [], disputes: [] })
      if (isReplay) return await this.#known(intent.id)
      return { outcome: 'known', record }
    } catch (error) {
      const failure = failureOf(error)
      const declined = failure.payment_intent?.id
      return declined === undefined ? answerOf(failure) : this.#known(declined)
    }
  }

  async operate({ key, name, kind, ref, amountMinor }: OperationRequest): Promise<Answer> {
    const { api } = await this.#open()
    const options = { idempotencyKey: key }
    try {
      if (kind === 'void') await api.paymentIntents.cancel(ref, {}, options)
      if (kind === 'refund') {
        await api.refunds.create(
          { payment_intent: ref, amount: amountMinor, metadata: { name } },
          options,
        )
      }
      if (kind === 'capture') {
        const { amount_capturable: rest } = await api.paymentIntents.retrieve(ref)
        const part = rest > amountMinor ? { final_capture: false } : {}
        const metadata = { [`${captureMark}${name}`]: String(amountMinor) }
        await api.paymentIntents.capture(
          ref,
          { amount_to_capture: amountMinor, ...part, metadata },
          options,
        )
      }
      return await this.#known(ref)
    } catch (error) {
      return answerOf(failureOf(error))
    }
  }

  async query(which: Parameters<Provider['query']>[0]): Promise<Found> {
    if ('ref' in which) return this.#whole(which.ref)
    const { api } = await this.#open()
    try {
      const { data } = await api.paymentIntents.search({ query: `metadata['key']:'${which.key}'` })
      const [found] = data
      return found === undefined ? { outcome: 'absent' } : await this.#whole(found.id)
    } catch (error) {
      return answerOf(failureOf(error))
    }
  }

  async statement(day: string, call: Call): Promise<readonly StatementLine[]> {
    const { api } = await this.#open()
    const gte = Date.parse(`${day}T00:00:00Z`) / 1_000
    const lines: StatementLine[] = []
    try {
      const created = { gte, lt: gte + 86_400 }
      const pages = api.balanceTransactions.list({
        created,
        limit: pageMax,
        expand: ['data.source.payment_intent'],
      })
      for await (const moved of pages) {
        call.signal.throwIfAborted()
        const line = lineOf(moved, lines)
        if (line !== undefined) lines.push(line)
      }
    } catch (error) {
      call.signal.throwIfAborted()
      throw new ProviderUnavailableError(failureOf(error).message, { cause: error })
    }
    return lines
  }

  async readCallback(request: Request, body: string): Promise<Callback | undefined> {
    const { api, crypto } = await this.#open()
    const signature = request.headers.get('stripe-signature') ?? ''
    const event = await api.webhooks
      .constructEventAsync(body, signature, this.#options.webhookSecret, toleranceS, crypto)
      .catch((error: unknown) => {
        throw new BadCallbackError('Stripe did not sign it, or not now', { cause: error })
      })
    const ref = intentIn(event.data.object)
    return ref === undefined ? undefined : { event: event.id, ref }
  }
}

/** The payment that an event's object is, or hangs on. */
function intentIn(object: object): string | undefined {
  const fields = new Map<string, unknown>(Object.entries(object))
  const named =
    fields.get('object') === 'payment_intent' ? fields.get('id') : fields.get('payment_intent')
  return typeof named === 'string' ? named : undefined
}

const kinds = {
  charge: 'capture',
  payment: 'capture',
  refund: 'refund',
  payment_refund: 'refund',
  adjustment: 'chargeback',
} as const

function isMoney(type: string): type is keyof typeof kinds {
  return type in kinds
}

/** The payment that a source hangs on: whole, where Stripe was asked for it. */
function intentOf(source: object): Stripe.PaymentIntent | string | undefined {
  return (
    (source as { readonly payment_intent?: Stripe.PaymentIntent | string | null }).payment_intent ??
    undefined
  )
}

/**
 * The name that the ledger has for what moved. A charge does not say which of its captures it was: that of its amount,
 * and of several alike the next.
 */
function operationOf(
  { id, amount, source }: Stripe.BalanceTransaction & { source: { id: string } },
  {
    kind,
    before,
  }: { readonly kind: StatementLine['kind']; readonly before: readonly StatementLine[] },
): string {
  if (kind !== 'capture') return source.id
  const intent = intentOf(source)
  if (typeof intent !== 'object') return id
  const known = { ref: intent.id, at: intent.created * 1_000 }
  const alike = capturesOf(intent, known).filter(({ amountMinor }) => amountMinor === amount)
  const next = alike.find(({ ref }) => !before.some(({ operation }) => operation === ref))
  return next?.ref ?? id
}

/** What a balance transaction is to us, behind the lines `before`; `undefined` for fees and payouts. */
function lineOf(
  moved: Stripe.BalanceTransaction,
  before: readonly StatementLine[],
): StatementLine | undefined {
  const { source, type } = moved
  if (!isMoney(type) || typeof source !== 'object' || source === null) return undefined
  const intent = intentOf(source)
  if (intent === undefined) return undefined
  const kind = kinds[type]
  return {
    operation: operationOf({ ...moved, source }, { kind, before }),
    ref: typeof intent === 'string' ? intent : intent.id,
    kind,
    amountMinor: moved.amount,
    currency: moved.currency.toUpperCase(),
    at: moved.created * 1_000,
  }
}

/** Stripe, through its own library. */
export function stripeProvider(options: StripeOptions): Provider {
  return new StripeProvider(options)
}
