import type { Call, Clock, Ids } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'
import { checkedMoney, defineSaga, type Saga } from '@stoa/transactions'

import { TransferNotFoundError, TransferToSelfError } from './faults.ts'
import type { Transfer, TransferStore } from './wallet-ports.ts'

/** Long enough for a shard to be restarted; after it what was frozen is given back. */
const deadlineMs = 60_000

/** Both sides are asked at once: the giver's money is frozen, and the taker's wallet announces what is to come. */
export const transferSaga = defineSaga<Transfer>({
  kind: 'transfer',
  deadlineMs,
  stages: [
    [
      {
        name: 'from',
        try: 'freeze',
        confirm: 'capture',
        cancel: 'release',
        request: ({ from, amountMinor, currency }) => ({ account: from, amountMinor, currency }),
      },
      {
        name: 'to',
        try: 'expect',
        confirm: 'credit',
        cancel: 'decline',
        request: ({ to, amountMinor, currency }) => ({ account: to, amountMinor, currency }),
      },
    ],
  ],
})

export type TransferDeps = {
  readonly transfers: TransferStore
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Sends money from one wallet to another, once for a key. Three round trips until it is decided; it arrives after the
 * answer. What cannot be decided now is taken up by the sweep.
 *
 * @throws TransferToSelfError, InvalidMoneyError, KeyReusedError.
 */
export async function startTransfer(
  { transfers, ids, clock }: TransferDeps,
  { once, ...wish }: Omit<Transfer, 'id' | 'createdAt'> & { readonly once: Once },
  call: Call,
): Promise<Answered<Transfer>> {
  if (wish.from === wish.to) throw new TransferToSelfError()
  checkedMoney({ amount: wish.amountMinor, currency: wish.currency })
  return transfers.start(once, { ...wish, id: ids.child(wish.from), createdAt: clock.now() }, call)
}

export type TransferState = 'pending' | 'sent' | 'refused'

export type TransferView = Omit<Transfer, 'from'> & {
  readonly state: TransferState
  readonly code: string | undefined
}

const states: Readonly<Record<Saga['state'], TransferState>> = {
  trying: 'pending',
  confirming: 'sent',
  done: 'sent',
  cancelling: 'refused',
  cancelled: 'refused',
}

/** What became of a transfer that `from` sent. @throws TransferNotFoundError */
export async function readTransfer(
  { transfers }: Pick<TransferDeps, 'transfers'>,
  { id, from }: { readonly id: string; readonly from: string },
  call: Call,
): Promise<TransferView> {
  const saga = await transfers.find(id, call)
  const giving = saga?.steps.find(({ name }) => name === 'from')
  const taking = saga?.steps.find(({ name }) => name === 'to')
  if (saga?.kind !== transferSaga.kind || giving?.request['account'] !== from)
    throw new TransferNotFoundError()
  const state = states[saga.state]
  const refusal = [giving, taking].find((step) => step?.progress.try?.outcome === 'refused')
  return {
    id,
    to: String(taking?.request['account']),
    amountMinor: Number(giving.request['amountMinor']),
    currency: String(giving.request['currency']),
    state,
    code: state === 'refused' ? (refusal?.progress.try?.code ?? 'timeout') : undefined,
    createdAt: saga.createdAt,
  }
}
