import { rootCall, type Statement } from '@stoa/kernel'

import { ask, atProvider, type Case, env, paymentShards, pspUrl } from './harness.ts'

/** What others do at the provider's desk, and what a bug would leave in the books: none of it by way of this service. */

type AtDesk = {
  readonly ref: string
  readonly operations: readonly {
    readonly ref: string
    readonly kind: string
    readonly name: string
    readonly amountMinor: number
  }[]
}

async function post(path: string, body: unknown): Promise<AtDesk> {
  const response = await fetch(`${pspUrl}/v1/payments${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${env['SANDBOX_KEY'] ?? ''}`,
      'idempotency-key': crypto.randomUUID(),
    },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`the desk answered ${response.status}`)
  return (await response.json()) as AtDesk
}

export async function readAtDesk(ref: string): Promise<AtDesk> {
  const headers = { authorization: `Bearer ${env['SANDBOX_KEY'] ?? ''}` }
  return (await (await fetch(`${pspUrl}/v1/payments/${ref}`, { headers })).json()) as AtDesk
}

/** A payment that somebody else took at the same provider: all of it, or in parts of the same name. */
export async function takenByOthers(...parts: readonly number[]): Promise<AtDesk> {
  const amountMinor = parts.reduce((sum, part) => sum + part, 0)
  const metadata = { shop: 'another' }
  const made = await post('', { amountMinor, currency: 'EUR', token: 'tok_ok', metadata })
  for (const part of parts)
    await post(`/${made.ref}/captures`, { amountMinor: part, name: 'capture' })
  return readAtDesk(made.ref)
}

/** Takes, or gives back, at the desk. */
export async function doAtDesk(
  what: 'captures' | 'refunds',
  ref: string,
  amountMinor: number,
): Promise<AtDesk> {
  return post(`/${ref}/${what}`, { amountMinor, name: `desk-${crypto.randomUUID()}` })
}

export function voidAtDesk(ref: string): Promise<AtDesk> {
  return post(`/${ref}/void`, { name: 'desk' })
}

export async function refOf(made: Case): Promise<string> {
  return (await atProvider(made))?.ref ?? ''
}

/** Writes in the payment's own database. */
export async function write(payment: string, ...statements: readonly Statement[]): Promise<void> {
  const call = rootCall('write')
  for (const shard of await paymentShards()) {
    const seek = { sql: 'SELECT id FROM payment WHERE id = ?', args: [payment] }
    const [found] = await shard.batch([seek], 'read', call)
    if (found?.rows.length !== 1) continue
    await shard.batch(statements, 'write', call)
  }
}

/** Writes past what the schema allows, as only the mover may. */
function force(payment: string, ...statements: readonly Statement[]): Promise<void> {
  const mover = (value: string | null): Statement => ({
    sql: 'UPDATE _fence SET mover = ? WHERE id = 1',
    args: [value],
  })
  return write(payment, mover('test'), ...statements, mover(null))
}

/** Takes the entries of a payment, and of a wallet what they led to, out of the ledger, as if they had never been made. */
export function unbook(payment: string, account: string = payment): Promise<void> {
  const args = [account, `${payment}:`]
  const mine = `account = ?1 AND seq IN (SELECT seq FROM journal WHERE account = ?1 AND substr(source, 1, 21) = ?2)`
  return force(
    payment,
    {
      sql: `UPDATE balance SET
  debit = debit - coalesce((SELECT sum(max(-p.amount, 0)) FROM posting AS p WHERE p.account = balance.account
    AND p.book = balance.book AND p.${mine}), 0),
  credit = credit - coalesce((SELECT sum(max(p.amount, 0)) FROM posting AS p WHERE p.account = balance.account
    AND p.book = balance.book AND p.${mine}), 0), seq = 0 WHERE account = ?1`,
      args,
    },
    { sql: `DELETE FROM posting WHERE ${mine}`, args },
    { sql: 'DELETE FROM journal WHERE account = ?1 AND substr(source, 1, 21) = ?2', args },
  )
}

export type Said = {
  readonly ref: string
  readonly operation: string
  readonly amountMinor: number
  readonly kind?: string
  readonly currency?: string
}

function saidOf({ ref: payment, currency = 'EUR', ...rest }: Said) {
  return { provider: 'sandbox', payment, currency, cause: 'D:7', ...rest }
}

export function replay(said: Said, requestId: string = crypto.randomUUID()) {
  const body = { kind: 'capture', ...saidOf(said) }
  return ask('/internal/payments/replays', { body, requestId })
}

export function refundUnclaimed(said: Said, requestId: string = crypto.randomUUID()) {
  return ask('/internal/payments/unclaimed-refunds', { body: saidOf(said), requestId })
}

export function rebook(payment: string, requestId: string = crypto.randomUUID()) {
  return ask('/internal/payments/rebookings', { body: { payment: `pay_${payment}` }, requestId })
}
