import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    stripeUrl: string
  }
}

type Form = Readonly<Record<string, string>>
type Intent = {
  id: string
  object: 'payment_intent'
  amount: number
  amount_capturable: number
  amount_received: number
  capture_method: string
  created: number
  currency: string
  last_payment_error: { code: string; decline_code: string } | null
  latest_charge: string | null
  metadata: Record<string, string>
  status: string
}
type Refund = {
  id: string
  object: 'refund'
  amount: number
  created: number
  currency: string
  metadata: Record<string, string>
  payment_intent: string
  status: string
}
type Dispute = {
  id: string
  object: 'dispute'
  amount: number
  created: number
  payment_intent: string
  status: string
}
/** What a movement of money came of. */
type Source = { readonly id: string; readonly object: string; readonly payment_intent: string }
type Moved = {
  readonly type: string
  readonly amount: number
  readonly currency: string
  readonly source: Source
}
type Answer = { readonly status: number; readonly body: unknown; readonly replayed?: boolean }

const cards: Readonly<Record<string, string>> = {
  pm_card_visa: 'ok',
  pm_card_authenticationRequired: 'requires_action',
  pm_card_visa_chargeDeclined: 'declined',
}

function newRef(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`
}

function nested(form: Form, name: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(form).flatMap(([key, value]) => {
      const inner = new RegExp(`^${name}\\[(.+)\\]$`).exec(key)?.[1]
      return inner === undefined ? [] : [[inner, value]]
    }),
  )
}

function refuse(status: number, error: Record<string, unknown>): Answer {
  return { status, body: { error } }
}

const invalid = (code: string): Answer =>
  refuse(400, { type: 'invalid_request_error', code, message: code })

/** Stripe's answers to what the adapter asks, in the shapes of its API reference, with books in memory. */
class StripeFake {
  readonly #intents = new Map<string, Intent>()
  readonly #refunds: Refund[] = []
  readonly #disputes: Dispute[] = []
  readonly #moved: Moved[] = []
  readonly #answered = new Map<string, { readonly text: string; readonly answer: Answer }>()

  /** The first answer to a key is the answer for ever, failures of the server too. */
  answer(method: string, path: string, form: Form, key: string | undefined): Answer {
    const text = `${method} ${path} ${JSON.stringify(form)}`
    const known = key === undefined ? undefined : this.#answered.get(key)
    if (known !== undefined && known.text !== text) {
      return refuse(400, { type: 'idempotency_error', message: 'Keys for idempotent requests …' })
    }
    if (known !== undefined) return { ...known.answer, replayed: true }
    const answer = structuredClone(this.#route(method, path, form))
    if (key !== undefined) this.#answered.set(key, { text, answer })
    return answer
  }

  #route(method: string, path: string, form: Form): Answer {
    const [, , what, id, verb] = path.split('/')
    if (what === 'payment_intents' && id === undefined) return this.#create(form)
    if (what === 'payment_intents' && id === 'search') return this.#search(form)
    if (what === 'refunds' && method === 'POST') return this.#refund(form)
    if (what === 'refunds') return this.#list(this.#refunds, form)
    if (what === 'disputes') return this.#list(this.#disputes, form)
    if (what === 'balance_transactions') return this.#balance()
    const intent = this.#intents.get(id ?? '')
    if (what === 'test_disputes') return this.#dispute(form)
    if (intent === undefined)
      return refuse(404, { type: 'invalid_request_error', code: 'resource_missing', message: '' })
    if (what === 'test_actions') {
      Object.assign(intent, { status: 'requires_capture', amount_capturable: intent.amount })
      return { status: 200, body: intent }
    }
    if (verb === 'capture') return this.#capture(intent, form)
    if (verb === 'cancel') return this.#cancel(intent)
    return { status: 200, body: intent }
  }

  #create(form: Form): Answer {
    const amount = Number(form['amount'])
    const card = cards[form['payment_method'] ?? '']
    if (card === undefined) return invalid('resource_missing')
    const isManual = form['capture_method'] === 'manual'
    const isGood = card === 'ok'
    const intent: Intent = {
      id: newRef('pi'),
      object: 'payment_intent',
      amount,
      amount_capturable: isGood && isManual ? amount : 0,
      amount_received: isGood && !isManual ? amount : 0,
      capture_method: form['capture_method'] ?? 'automatic',
      created: Math.floor(Date.now() / 1_000),
      currency: form['currency'] ?? '',
      last_payment_error:
        card === 'declined' ? { code: 'card_declined', decline_code: 'generic_decline' } : null,
      latest_charge: isGood ? newRef('ch') : null,
      metadata: nested(form, 'metadata'),
      status:
        { ok: isManual ? 'requires_capture' : 'succeeded', declined: 'requires_payment_method' }[
          card
        ] ?? card,
    }
    this.#intents.set(intent.id, intent)
    if (intent.amount_received > 0) this.#charge(intent, intent.amount_received)
    if (card !== 'declined') return { status: 200, body: intent }
    const { last_payment_error: failure } = intent
    return refuse(402, {
      type: 'card_error',
      message: 'Declined.',
      ...failure,
      payment_intent: intent,
    })
  }

  #search(form: Form): Answer {
    const key = /^metadata\['key'\]:'(.+)'$/.exec(form['query'] ?? '')?.[1]
    const data = [...this.#intents.values()].filter(({ metadata }) => metadata['key'] === key)
    return { status: 200, body: { object: 'search_result', data, has_more: false } }
  }

  #capture(intent: Intent, form: Form): Answer {
    const amount = Number(form['amount_to_capture'] ?? intent.amount_capturable)
    if (amount > intent.amount_capturable) return invalid('amount_too_large')
    const isFinal = form['final_capture'] !== 'false'
    intent.amount_received += amount
    this.#charge(intent, amount)
    intent.amount_capturable = isFinal ? 0 : intent.amount_capturable - amount
    intent.status = intent.amount_capturable === 0 ? 'succeeded' : 'requires_capture'
    Object.assign(intent.metadata, nested(form, 'metadata'))
    return { status: 200, body: intent }
  }

  #cancel(intent: Intent): Answer {
    if (intent.status === 'succeeded') return invalid('payment_intent_unexpected_state')
    Object.assign(intent, { status: 'canceled', amount_capturable: 0 })
    return { status: 200, body: intent }
  }

  #refund(form: Form): Answer {
    const intent = this.#intents.get(form['payment_intent'] ?? '')
    const amount = Number(form['amount'])
    const given = this.#refunds
      .filter(({ payment_intent: of }) => of === intent?.id)
      .reduce((sum, each) => sum + each.amount, 0)
    if (intent === undefined || given + amount > intent.amount_received)
      return invalid('charge_already_refunded')
    const refund: Refund = {
      id: newRef('re'),
      object: 'refund',
      amount,
      created: Math.floor(Date.now() / 1_000),
      currency: intent.currency,
      metadata: nested(form, 'metadata'),
      payment_intent: intent.id,
      status: 'succeeded',
    }
    this.#refunds.push(refund)
    const { currency } = intent
    this.#moved.push({ type: 'refund', amount: -amount, currency, source: refund })
    return { status: 200, body: refund }
  }

  #dispute(form: Form): Answer {
    const dispute: Dispute = {
      id: newRef('du'),
      object: 'dispute',
      amount: Number(form['amount']),
      created: Math.floor(Date.now() / 1_000),
      payment_intent: form['payment_intent'] ?? '',
      status: 'needs_response',
    }
    this.#disputes.push(dispute)
    const { currency = '' } = this.#intents.get(dispute.payment_intent) ?? {}
    this.#moved.push({ type: 'adjustment', amount: -dispute.amount, currency, source: dispute })
    return { status: 200, body: dispute }
  }

  #list(all: readonly { readonly payment_intent: string }[], form: Form): Answer {
    const data = all.filter((each) => each.payment_intent === form['payment_intent'])
    return { status: 200, body: { object: 'list', data, has_more: false, url: '/' } }
  }

  #charge(intent: Intent, amount: number): void {
    const { id, currency } = intent
    const source = { id: intent.latest_charge ?? '', object: 'charge', payment_intent: id }
    this.#moved.push({ type: 'charge', amount, currency, source })
  }

  /** Sources are whole, and so are their payments, as they were asked for. */
  #balance(): Answer {
    const data = this.#moved.map(({ source, ...each }, at) => ({
      ...each,
      id: `txn_${at}`,
      object: 'balance_transaction',
      created: Math.floor(Date.now() / 1_000),
      source: { ...source, payment_intent: this.#intents.get(source.payment_intent) ?? null },
    }))
    return {
      status: 200,
      body: { object: 'list', data, has_more: false, url: '/v1/balance_transactions' },
    }
  }
}

async function formOf(request: IncomingMessage, url: URL): Promise<Form> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
  return Object.fromEntries([...url.searchParams, ...body])
}

/** Stripe's API in the process of the tests. `pm_…` cards are Stripe's own; `x-spoil: lost|500` is not. */
export async function setup(project: TestProject): Promise<() => void> {
  const fake = new StripeFake()
  let spoilt: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://stripe')
    void formOf(request, url).then((form) => {
      if (url.pathname === '/spoil') {
        spoilt = (form['words'] ?? '').split(',')
        return response.end()
      }
      const word = request.method === 'POST' ? spoilt.shift() : undefined
      if (request.headers.authorization !== 'Bearer sk_test_stoa') {
        response.writeHead(401)
        return response.end('{"error":{"type":"invalid_request_error"}}')
      }
      if (word === '500') {
        response.writeHead(500)
        return response.end('{"error":{"type":"api_error","message":"on purpose"}}')
      }
      const key = request.headers['idempotency-key']
      const { status, body, replayed } = fake.answer(
        request.method ?? 'GET',
        url.pathname,
        form,
        typeof key === 'string' ? key : undefined,
      )
      if (word === 'lost') return request.socket.destroy()
      response.writeHead(status, {
        'content-type': 'application/json',
        'request-id': 'req_test',
        ...(replayed === true ? { 'idempotent-replayed': 'true' } : {}),
      })
      return response.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  project.provide('stripeUrl', `http://127.0.0.1:${port}`)
  return () => {
    server.closeAllConnections()
    server.close()
  }
}
