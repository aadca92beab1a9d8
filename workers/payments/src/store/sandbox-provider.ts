import { parseJson } from '@stoa/http'
import { type Call, type Clock, type Fetcher, parseId } from '@stoa/kernel'
import { z } from 'zod'

import { BadCallbackError, ProviderUnavailableError } from '../domain/faults.ts'
import { isUnclaimedReturn, strangerOf } from '../domain/payment.ts'
import type {
  Answer,
  Callback,
  Found,
  Provider,
  ProviderRecord,
  StatementLine,
  Subject,
} from '../domain/provider.ts'
import { verifySandboxSignature } from './sandbox-signature.ts'

export type SandboxOptions = {
  readonly url: string
  readonly key: string
  readonly callbackSecret: string
  /** Where the provider is to call back; the gateway's address. */
  readonly callbackUrl: string
  readonly clock: Clock
  readonly fetch: Fetcher
}

const kind = z.enum(['authorise', 'capture', 'void', 'refund', 'chargeback'])
/** What moves money, and so is in a statement. */
const moving = kind.extract(['capture', 'refund', 'chargeback'])

const id = z.string().refine((text) => {
  try {
    return parseId(text) === text
  } catch {
    return false
  }
})

/** What travels as metadata, all of it text. */
const metadata = z.object({
  payment: id,
  buyer: id,
  order: id.optional(),
  gid: id.optional(),
  branch: z.string().optional(),
})

const wirePayment = z.object({
  ref: z.string(),
  amountMinor: z.int(),
  currency: z.string(),
  metadata: z.record(z.string(), z.string()),
  operations: z.array(
    z.object({
      ref: z.string(),
      name: z.string(),
      kind,
      state: z.enum(['succeeded', 'failed', 'action_required']),
      amountMinor: z.int(),
      code: z.string().optional(),
      at: z.int(),
    }),
  ),
})

const wireRefusal = z.object({ error: z.object({ code: z.string() }) })
const wireDecline = z.object({ payment: wirePayment })
const wireCallback = z.object({
  id: z.string().min(1).max(100),
  payment: z.string().min(1).max(100),
})

function metadataOf({ payment, buyer, order, gid, branch }: Subject): Record<string, string> {
  return {
    payment,
    buyer,
    ...(order === null ? {} : { order }),
    ...(gid === null ? {} : { gid }),
    ...(branch === null ? {} : { branch }),
  }
}

function recordOf({
  ref,
  amountMinor,
  currency,
  metadata: said,
  operations,
}: z.output<typeof wirePayment>): ProviderRecord {
  const own = metadata.safeParse(said).data
  const { order = null, gid = null, branch = null } = own ?? {}
  return {
    provider: 'sandbox',
    ref,
    ...(own === undefined
      ? { subject: strangerOf('sandbox', ref), isUnclaimed: true }
      : { subject: { payment: own.payment, buyer: own.buyer, order, gid, branch } }),
    amountMinor,
    currency,
    facts: operations.map(({ state: phase, code = null, name, ...fact }) => {
      // What others call their operations may be the same for two of them.
      const isOurs = own !== undefined || fact.kind === 'authorise' || isUnclaimedReturn(name)
      return { ...fact, name: isOurs ? name : fact.ref, phase, code }
    }),
  }
}

function unknown(why: string): Extract<Answer, { outcome: 'unknown' }> {
  return { outcome: 'unknown', why }
}

/** What an answer says. A server's error, or an answer that cannot be read, says nothing. */
async function read(response: Response): Promise<Found> {
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) {
    const parsed = wirePayment.safeParse(body)
    return parsed.success
      ? { outcome: 'known', record: recordOf(parsed.data) }
      : unknown('the answer is none')
  }
  if (response.status === 402) {
    const declined = wireDecline.safeParse(body)
    if (declined.success) return { outcome: 'known', record: recordOf(declined.data.payment) }
  }
  const refusal = wireRefusal.safeParse(body)
  if (response.status === 404) return { outcome: 'absent' }
  if (response.status === 429 || response.status >= 500 || !refusal.success)
    return unknown(`it answered ${response.status}`)
  // A key that is wrong is ours to mend, and no word about the payment.
  if (response.status === 401) return unknown('it does not know this deployment')
  return { outcome: 'refused', code: refusal.data.error.code }
}

type Wire = {
  readonly path: string
  readonly body?: unknown
  readonly key?: string
}

/** The sandbox provider of `packages/local`, over HTTP: for development and tests. */
export function sandboxProvider(options: SandboxOptions): Provider {
  const request = ({ path, body, key }: Wire, call: Call) =>
    new Request(`${options.url.replace(/\/$/, '')}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${options.key}`,
        'x-request-id': call.requestId,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      signal: call.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const send = async (wire: Wire, call: Call): Promise<Found> => {
    call.signal.throwIfAborted()
    try {
      return await read(await options.fetch(request(wire, call)))
    } catch (error) {
      call.signal.throwIfAborted()
      return unknown(error instanceof Error ? error.message : 'the reply was lost')
    }
  }
  /** A payment that an operation was asked of is there; one that is not is another deployment's. */
  const asked = async (wire: Wire, call: Call): Promise<Answer> => {
    const found = await send(wire, call)
    return found.outcome === 'absent' ? { outcome: 'refused', code: 'payment_not_found' } : found
  }
  return {
    name: 'sandbox',
    authorise: ({ key, subject, ...body }, call) =>
      asked(
        {
          path: '/v1/payments',
          key,
          body: { ...body, metadata: metadataOf(subject), callbackUrl: options.callbackUrl },
        },
        call,
      ),
    operate: ({ key, name, kind: what, ref, amountMinor }, call) => {
      const path = { capture: 'captures', refund: 'refunds', void: 'void' }[what]
      const body = { name, ...(what === 'void' ? {} : { amountMinor }) }
      return asked({ path: `/v1/payments/${encodeURIComponent(ref)}/${path}`, key, body }, call)
    },
    query: (which, call) =>
      send(
        {
          path:
            'ref' in which
              ? `/v1/payments/${encodeURIComponent(which.ref)}`
              : `/v1/payments?key=${encodeURIComponent(which.key)}`,
        },
        call,
      ),
    statement: async (day, call) => {
      const response = await options
        .fetch(request({ path: `/v1/statements/${day}` }, call))
        .catch((error: unknown) => {
          throw new ProviderUnavailableError('its statement did not come', { cause: error })
        })
      if (!response.ok) throw new ProviderUnavailableError(`it answered ${response.status}`)
      return statementLines(await response.text())
    },
    readCallback: async (incoming, body): Promise<Callback> => {
      const header = incoming.headers.get('sandbox-signature')
      await verifySandboxSignature({ header, body }, options.callbackSecret, options.clock.now())
      const parsed = wireCallback.safeParse(parseJson(new TextEncoder().encode(body)))
      if (!parsed.success) throw new BadCallbackError('it cannot be read')
      return { event: parsed.data.id, ref: parsed.data.payment }
    },
  }
}

/** The lines of a statement of the day; the first names the columns. */
function statementLines(text: string): readonly StatementLine[] {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => {
      const [operation = '', ref = '', , what = '', amount = '', currency = '', at = ''] =
        line.split(',')
      return {
        operation,
        ref,
        kind: moving.parse(what),
        amountMinor: Number(amount),
        currency,
        at: Date.parse(at),
      }
    })
}
