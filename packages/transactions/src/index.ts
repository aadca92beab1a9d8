/**
 * Money and stock across shards without a distributed transaction. `barrier` puts an operation of a TCC or saga branch
 * into one batch; `createSagaRunner` tries, decides and ends; the ledger is double entry that cannot drift.
 */
export {
  type Attempt,
  barrier,
  type BarrierBatch,
  type Branch,
  type BranchOp,
  type Outcome,
} from './barrier.ts'
export {
  type Branches,
  type BranchesDeps,
  BranchOrderError,
  createBranches,
  newToken,
  type Operation,
} from './branches.ts'

export {
  defineSaga,
  newSaga,
  type Progress,
  type Request,
  type Saga,
  type SagaDefinition,
  type SagaState,
  type SagaStep,
  type StepAction,
  type StepPlan,
  type TimelineEntry,
  timelineOf,
} from './saga.ts'
export { type Executor, type StepOperation, type Verdict, verdictOf } from './executor.ts'
export {
  createSagaRunner,
  SagaLeaseLostError,
  type SagaMove,
  type SagaRunner,
  type SagaRunnerDeps,
  type SagaSweep,
} from './saga-runner.ts'

export { checkedMoney, InvalidMoneyError, type Money } from './money.ts'
export { ledgerDdl } from './ledger-ddl.ts'
export {
  AlreadyBookedError,
  type Balance,
  balancesFrom,
  type Book,
  bookEntry,
  type Entry,
  HoldExceededError,
  InsufficientFundsError,
  ledgerFault,
  type Move,
  openBooks,
  type OpenBook,
  selectBalances,
  UnknownAccountError,
  walletBooks,
} from './ledger.ts'
export { captureFunds, type HoldRef, type HoldStep, type Part } from './holds.ts'
export {
  createWallets,
  type WalletOp,
  walletOps,
  type WalletRequest,
  type Wallets,
  walletStatements,
} from './wallets.ts'
export {
  type AccountRange,
  auditLedger,
  type LedgerBreach,
  type LedgerRule,
  totalOf,
} from './audit.ts'
export { createSeals, type SealCheck, type Seals } from './seals.ts'
