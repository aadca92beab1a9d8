import { type Call, isFault } from '@stoa/kernel'
import { type Verdict, verdictOf } from '@stoa/transactions'

import type { ReturnBranch, Returning, ReturnStore } from './ports.ts'
import { settleOpen, type SettleDeps } from './settle.ts'

export type ReturnDeps = SettleDeps & { readonly returns: ReturnStore }

export type ReturnRequest = ReturnBranch & { readonly op: 'try' | 'confirm' | 'cancel' }

/** The rest of what was under way, and what was not known before a refusal, each take a round more. */
const roundsMax = 3

function verdictIn(left: readonly Returning[]): Verdict {
  const held = left.filter(({ isHeld }) => isHeld)
  const code = held.find(({ refused }) => refused !== null)?.refused
  if (code !== undefined && code !== null) return { outcome: 'refused', code }
  return held.length > 0 ? { outcome: 'pending', code: 'provider_unknown' } : { outcome: 'done' }
}

/** Asks the provider for what is written down as asked; false when it does not say. */
async function settled(deps: ReturnDeps, left: readonly Returning[], call: Call): Promise<boolean> {
  let isSaid = true
  for (const { payment, isHeld } of left) {
    if (!isHeld) continue
    // What is left unsaid of one payment stops no other.
    await settleOpen(deps, payment, call).catch((error: unknown) => {
      if (!isFault(error) || !error.retryable) throw error
      isSaid = false
    })
  }
  return isSaid
}

/** Takes the payments that a provider has otherwise than they are known here: it refuses what has happened already. */
async function hear(
  { payments, providers }: ReturnDeps,
  { order, gid }: ReturnBranch,
  call: Call,
): Promise<void> {
  for (const { provider, providerRef } of await payments.ofOrder(order, call)) {
    if (providerRef === null) continue
    const found = await providers.named(provider).query({ ref: providerRef }, call)
    if (found.outcome === 'known') await payments.absorb(found.record, { cause: gid }, call)
  }
}

/** Asks for whatever is held until nothing is, the provider does not say, or it refuses though all is known. */
async function giveBack(deps: ReturnDeps, branch: ReturnBranch, call: Call): Promise<Verdict> {
  let verdict: Verdict = { outcome: 'pending' }
  let isHeard = false
  for (let round = 1; round <= roundsMax; round += 1) {
    await deps.returns.askBack(branch, call)
    const isSaid = await settled(deps, await deps.returns.left(branch.order, call), call)
    verdict = verdictIn(await deps.returns.left(branch.order, call))
    if (verdict.outcome === 'done' || !isSaid || (verdict.outcome === 'refused' && isHeard)) break
    if (verdict.outcome === 'refused') await hear(deps, branch, call)
    isHeard ||= verdict.outcome === 'refused'
  }
  return verdict
}

/**
 * One operation of the branch by which an order's money goes back when it is cancelled. Tried, nothing more is taken of
 * its payments; confirmed, what is promised is voided and what was taken refunded, whatever of it there is; cancelled, all
 * is as before. A refusal of the provider is final, and asked for no more: a person gives it back, and then it is done.
 *
 * @throws BranchOrderError, PaymentMismatchError, ProviderMissingError.
 */
export async function runReturnBranch(
  deps: ReturnDeps,
  { op, ...branch }: ReturnRequest,
  call: Call,
): Promise<Verdict> {
  if (op === 'confirm') return giveBack(deps, branch, call)
  const outcome =
    op === 'try' ? await deps.returns.hold(branch, call) : await deps.returns.let(branch, call)
  return verdictOf(outcome)
}
