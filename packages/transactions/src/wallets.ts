import type { Call, Statement } from '@stoa/kernel'

import type { BranchOp, Outcome } from './barrier.ts'
import { type BranchesDeps, createBranches } from './branches.ts'
import {
  captureFunds,
  creditFunds,
  declineFunds,
  expectFunds,
  freezeFunds,
  type HoldRef,
  type HoldStep,
  releaseFunds,
} from './holds.ts'
import { ledgerFault } from './ledger.ts'
import type { Money } from './money.ts'

/** The operations of a wallet as a TCC branch: first the giving side's, then the taking side's. */
export const walletOps = ['freeze', 'capture', 'release', 'expect', 'credit', 'decline'] as const
export type WalletOp = (typeof walletOps)[number]

/** Which part of TCC each operation is. */
const parts: Readonly<Record<WalletOp, BranchOp>> = {
  freeze: 'try',
  capture: 'confirm',
  release: 'cancel',
  expect: 'try',
  credit: 'confirm',
  decline: 'cancel',
}

/** Only a try names an amount; what follows takes that of the hold it wrote. */
export type WalletRequest =
  | { readonly op: 'freeze' | 'expect'; readonly hold: HoldRef; readonly money: Money }
  | {
      readonly op: Exclude<WalletOp, 'freeze' | 'expect'>
      readonly hold: HoldRef
    }

export type Wallets = {
  /**
   * Runs one operation. One round trip, as {@link Branches.run}. A repeat changes nothing.
   *
   * @throws InsufficientFundsError, UnknownAccountError, InvalidMoneyError, BranchOrderError: nothing was written.
   */
  run(request: WalletRequest, call: Call): Promise<Outcome>
}

/** The statements of one operation, for a batch of the caller's own. */
export function walletStatements(
  request: WalletRequest,
  step: Omit<HoldStep, 'hold'>,
): readonly Statement[] {
  const held = { ...step, hold: request.hold }
  switch (request.op) {
    case 'freeze':
      return freezeFunds(held, request.money)
    case 'expect':
      return expectFunds(held, request.money)
    case 'capture':
      return captureFunds(held)
    case 'release':
      return releaseFunds(held)
    case 'credit':
      return creditFunds(held)
    case 'decline':
      return declineFunds(held)
  }
}

/** Wallets in one keyspace, whose databases have the tables of the ledger. */
export function createWallets(deps: BranchesDeps): Wallets {
  const branches = createBranches(deps)
  return {
    run: async (request, call) => {
      const { account: key, gid, branch } = request.hold
      const operation = { key, gid, branch, op: parts[request.op] }
      try {
        return await branches.run(
          operation,
          (gate, at) => walletStatements(request, { gate, at }),
          call,
        )
      } catch (error) {
        throw ledgerFault(error)
      }
    },
  }
}
