import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Call, Random } from '@stoa/kernel'
import {
  balancesFrom,
  createSagaRunner,
  createWallets,
  type Executor,
  newSaga,
  openBooks,
  type SagaRunner,
  selectBalances,
  verdictOf,
  type WalletOp,
  walletOps,
  type WalletRequest,
} from '@stoa/transactions'

import { transferSaga } from '../domain/transfer.ts'
import type { TransferStore, WalletStore } from '../domain/wallet-ports.ts'

export function walletStore({ router }: KeyspaceAccess): WalletStore {
  return {
    open: async (member, currency, call) => {
      await router.write(member, [openBooks(member, currency)], call)
    },
    balances: async (member, call) =>
      balancesFrom(await router.read(member, selectBalances(member), call)),
  }
}

function opOf(target: string): WalletOp {
  const op = walletOps.find((each) => each === target)
  if (op === undefined) throw new Error(`Cannot run "${target}": a wallet has no such operation`)
  return op
}

/** Runs the steps of transfers on the wallets of this keyspace. */
function walletExecutor({ router, clock }: KeyspaceAccess, random: Random): Executor {
  const wallets = createWallets({ keyspace: router, clock, random })
  return {
    execute: async ({ gid, branch, target, request }, call) => {
      const op = opOf(target)
      const hold = { account: String(request['account']), gid, branch }
      const money = {
        currency: String(request['currency']),
        amount: Number(request['amountMinor']),
      }
      const asked: WalletRequest =
        op === 'freeze' || op === 'expect' ? { op, hold, money } : { op, hold }
      return verdictOf(await wallets.run(asked, call))
    },
  }
}

export function transferRunner(
  access: KeyspaceAccess,
  deps: {
    readonly random: Random
    readonly defer: (work: Promise<unknown>) => void
    readonly report: (error: unknown, requestId: string) => void
  },
): SagaRunner {
  const { router: keyspace, clock } = access
  const executor = walletExecutor(access, deps.random)
  return createSagaRunner({ keyspace, executor, clock, ...deps })
}

export function transferStore(
  { once: onceRunner, clock }: KeyspaceAccess,
  {
    runner,
    report,
  }: {
    readonly runner: SagaRunner
    readonly report: (error: unknown, requestId: string) => void
  },
): TransferStore {
  return {
    start: async (once, transfer, call: Call) => {
      const saga = newSaga(transferSaga, transfer, { id: transfer.id, now: clock.now() })
      const work = { keys: [saga.id], statements: [runner.begin(saga)], events: [] }
      const job = { key: transfer.from, work, reply: transfer }
      const answered = await onceRunner.run(once, job, call)
      if (answered.replayed) return answered
      // The transfer is written: whatever stops its runner now, the sweep goes on with it.
      await runner.run(saga, call).catch((error: unknown) => report(error, call.requestId))
      return answered
    },
    find: (id, call) => runner.read(id, call),
  }
}
