import type { Call } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'
import type { Balance, Saga } from '@stoa/transactions'

export type Transfer = {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly amountMinor: number
  readonly currency: string
  readonly createdAt: number
}

export type WalletStore = {
  /** Safe to repeat. One round trip. @throws InvalidMoneyError */
  open(member: string, currency: string, call: Call): Promise<void>
  /** One round trip. */
  balances(member: string, call: Call): Promise<readonly Balance[]>
}

export type TransferStore = {
  /** Writes the transfer's row, once for a key, and runs it as far as it gets. */
  start(once: Once, transfer: Transfer, call: Call): Promise<Answered<Transfer>>
  /** One round trip. */
  find(id: string, call: Call): Promise<Saga | undefined>
}
