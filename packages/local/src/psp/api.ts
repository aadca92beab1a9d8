import type { Answer, Exchange } from '../control/exchange.ts'
import { pause } from '../control/faults.ts'
import type { Callbacks } from './callbacks.ts'
import { type PspPayment, PspRefusal } from './model.ts'
import { authorise, capture, type NewPayment, refund, voidRest } from './operations.ts'
import { newRef, type Records } from './records.ts'
import { statementOf } from './statement.ts'

export type Psp = {
  readonly records: Records
  readonly callbacks: Callbacks
  readonly key: string
  readonly now: () => number
}

/** How long `tok_slow` keeps its caller waiting after it has authorised: longer than anybody waits. */
const slowMs = 20_000

export function answerJson(value: unknown, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

/** The body as an object. @throws PspRefusal */
export function bodyOf({ body }: Exchange): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(body).toString('utf8') || '{}')
    if (typeof parsed === 'object' && parsed !== null)
      return Object.fromEntries(Object.entries(parsed))
  } catch {
    // Falls through: what is no JSON is refused as what is no object.
  }
  throw new PspRefusal(400, 'invalid_body', 'the body is no JSON object')
}

export function amountIn(body: Readonly<Record<string, unknown>>): number {
  const { amountMinor } = body
  if (typeof amountMinor === 'number' && Number.isSafeInteger(amountMinor) && amountMinor > 0)
    return amountMinor
  throw new PspRefusal(400, 'invalid_amount', 'amountMinor is no whole number above 0')
}

export function textIn(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name]
  if (typeof value === 'string' && value.length > 0) return value
  throw new PspRefusal(400, 'invalid_body', `${name} is no text`)
}

function keyOf({ headers }: Exchange): string {
  const key = headers['idempotency-key'] ?? ''
  if (key.length > 0 && key.length <= 255) return key
  throw new PspRefusal(400, 'idempotency_key_missing', 'Idempotency-Key is missing')
}

function newPaymentOf(body: Readonly<Record<string, unknown>>): NewPayment {
  const { metadata = {}, callbackUrl } = body
  return {
    amountMinor: amountIn(body),
    currency: textIn(body, 'currency'),
    token: textIn(body, 'token'),
    captureAtOnce: body['captureAtOnce'] === true,
    metadata: Object.fromEntries(
      Object.entries(metadata as object).map(([name, value]) => [name, String(value)]),
    ),
    callbackUrl: typeof callbackUrl === 'string' ? callbackUrl : undefined,
  }
}

/** What a payment answers: 402 when its card was declined. */
function answerPayment(payment: PspPayment): Answer {
  const last = payment.operations.findLast(({ kind }) => kind === 'authorise')
  if (last?.state !== 'failed') return answerJson(payment)
  return answerJson({ error: { code: last.code }, payment }, 402)
}

function sameRequest(payment: PspPayment, asked: NewPayment): boolean {
  const { amountMinor, currency, token, captureAtOnce } = asked
  return (
    payment.amountMinor === amountMinor &&
    payment.currency === currency &&
    payment.token === token &&
    payment.captureAtOnce === captureAtOnce
  )
}

async function postPayment(psp: Psp, exchange: Exchange): Promise<Answer> {
  const key = keyOf(exchange)
  const asked = newPaymentOf(bodyOf(exchange))
  const known = psp.records.byKey(key)
  if (known !== undefined) {
    if (sameRequest(known, asked)) return answerPayment(known)
    throw new PspRefusal(422, 'idempotency_key_reused', 'the key was used for another payment')
  }
  if (asked.token === 'tok_error') throw new PspRefusal(500, 'internal', 'an error on purpose')
  const made = { ref: newRef('sbx'), key, at: psp.now() }
  const payment = psp.records.save(authorise(asked, made))
  const last = payment.operations.at(-1)
  psp.callbacks.announce(payment, `payment.${last?.kind ?? ''}.${last?.state ?? ''}`)
  if (asked.token === 'tok_error_after')
    throw new PspRefusal(500, 'internal', 'an error after the effect')
  if (asked.token === 'tok_slow') await pause(slowMs)
  return answerPayment(payment)
}

const changes = { captures: 'capture', refunds: 'refund', void: 'void' } as const

function postOperation(
  psp: Psp,
  exchange: Exchange,
  [ref, path]: readonly [string, keyof typeof changes],
): Answer {
  const key = keyOf(exchange)
  const payment = psp.records.get(ref)
  const body = bodyOf(exchange)
  const kind = changes[path]
  const known = payment.operations.find((each) => each.key === key)
  const amountMinor = kind === 'void' ? 0 : amountIn(body)
  if (known !== undefined) {
    const isSame = known.kind === kind && (kind === 'void' || known.amountMinor === amountMinor)
    if (isSame) return answerJson(payment)
    throw new PspRefusal(422, 'idempotency_key_reused', 'the key was used for another operation')
  }
  const occasion = { ref: newRef('op'), key, name: textIn(body, 'name'), at: psp.now() }
  const changed = {
    capture: () => capture(payment, amountMinor, occasion),
    refund: () => refund(payment, amountMinor, occasion),
    void: () => voidRest(payment, occasion),
  }[kind]()
  psp.records.save(changed)
  psp.callbacks.announce(changed, `payment.${kind}.succeeded`)
  return answerJson(changed)
}

function getPayments({ records }: Psp, query: URLSearchParams): Answer {
  const found = records.byKey(query.get('key') ?? '')
  if (found === undefined) throw new PspRefusal(404, 'payment_not_found', 'no payment has this key')
  return answerJson(found)
}

function isChange(path: string): path is keyof typeof changes {
  return Object.hasOwn(changes, path)
}

async function route(psp: Psp, exchange: Exchange): Promise<Answer> {
  const { pathname, searchParams } = new URL(exchange.target, 'http://psp')
  if (exchange.headers['authorization'] !== `Bearer ${psp.key}`)
    throw new PspRefusal(401, 'unauthorized', 'the key is wrong')
  const [, version, what, ref, path] = pathname.split('/')
  if (version === 'v1' && what === 'payments') {
    if (exchange.method === 'POST' && ref === undefined) return postPayment(psp, exchange)
    if (exchange.method === 'POST' && ref !== undefined && path !== undefined && isChange(path))
      return postOperation(psp, exchange, [ref, path])
    if (exchange.method === 'GET' && ref === undefined) return getPayments(psp, searchParams)
    if (exchange.method === 'GET' && ref !== undefined && path === undefined)
      return answerJson(psp.records.get(ref))
  }
  if (version === 'v1' && what === 'statements' && /^\d{4}-\d\d-\d\d$/.test(ref ?? ''))
    return {
      status: 200,
      headers: { 'content-type': 'text/csv' },
      body: statementOf(psp.records.all(), ref ?? ''),
    }
  throw new PspRefusal(404, 'not_found', 'there is nothing here')
}

/** A refusal as the provider spells it. */
export async function refusable(work: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PspRefusal)) throw error
    return answerJson({ error: { code: error.code, message: error.message } }, error.status)
  }
}

/** Answers the provider's API. */
export function servePsp(psp: Psp, exchange: Exchange): Promise<Answer> {
  return refusable(() => route(psp, exchange))
}
