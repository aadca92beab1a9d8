import { type Call, type Clock, type Ids, isFault } from '@stoa/kernel'
import type { Once } from '@stoa/messaging'

import { ProviderUnavailableError } from './faults.ts'
import { OperationRefusedError } from './faults.ts'
import { type Answered, turnOf } from './operate.ts'
import { authoriseKey } from './payment.ts'
import type { Learnt, StoredAnswer, TopUp } from './ports.ts'
import type { Provider, ProviderRecord } from './provider.ts'
import { authorisationOf } from './run-branch.ts'
import type { SettleDeps } from './settle.ts'

export type TopUpDeps = SettleDeps & { readonly ids: Ids; readonly clock: Clock }

export type ToppedUp = {
  readonly payment: string
  readonly amountMinor: number
  readonly currency: string
  readonly createdAt: number
}

/** Asks once more, by the same key, when the provider did not say. @throws ProviderUnavailableError */
async function pay(
  provider: Provider,
  { topUp, token }: { readonly topUp: TopUp; readonly token: string },
  call: Call,
): Promise<ProviderRecord> {
  const { subject, amountMinor, currency } = topUp
  const key = authoriseKey(subject)
  const asked = { key, subject, amountMinor, currency, token, captureAtOnce: true }
  const first = await provider.authorise(asked, call)
  const found = first.outcome === 'unknown' ? await provider.query({ key }, call) : first
  if (found.outcome === 'refused') throw new OperationRefusedError(found.code)
  if (found.outcome === 'known') return found.record
  throw new ProviderUnavailableError(
    found.outcome === 'unknown' ? found.why : 'it has not answered',
  )
}

/**
 * Pays money into a wallet, once for a key: the wallet is credited in the batch that learns that it was captured,
 * whether this request or a callback learns it. Three round trips.
 *
 * @throws OperationRefusedError, RequestInProgressError, ProviderUnavailableError, KeyReusedError.
 */
export async function topUpWallet(
  deps: TopUpDeps,
  {
    once,
    member,
    token,
    ...money
  }: {
    readonly once: Once
    readonly member: string
    readonly token: string
    readonly amountMinor: number
    readonly currency: string
  },
  call: Call,
): Promise<Answered<ToppedUp>> {
  const { payments, providers, ids, clock } = deps
  const provider = providers.current()
  const subject = {
    payment: ids.child(member),
    buyer: member,
    order: null,
    gid: null,
    branch: null,
  }
  const wish = { subject, provider: provider.name, ...money, createdAt: clock.now() }
  const turn = turnOf<TopUp, ToppedUp>(await payments.openTopUp(once, wish, call))
  if ('reply' in turn) return turn
  const topUp = turn.work
  const { amountMinor, currency, createdAt } = topUp
  const reply = { payment: topUp.subject.payment, amountMinor, currency, createdAt }
  try {
    const record = await pay(providers.named(topUp.provider), { topUp, token }, call)
    const failed = authorisationOf(record)
    const reason = failed?.phase === 'failed' ? (failed.code ?? 'declined') : undefined
    const answer: StoredAnswer = reason === undefined ? { ok: true, reply } : { ok: false, reason }
    const learnt: Learnt = { answers: { once, answer } }
    await payments.absorb(record, learnt, call)
    if (reason !== undefined) throw new OperationRefusedError(reason)
    return { reply, replayed: false }
  } catch (error) {
    if (isFault(error) && error.retryable)
      await payments.release(once, member, call).catch(() => undefined)
    throw error
  }
}
