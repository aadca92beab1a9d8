import type { Call } from '@stoa/kernel'

import type { StockChange } from './change.ts'
import type { StockLevel } from './stock.ts'

export type StockStore = {
  get(product: string, call: Call): Promise<StockLevel | undefined>
  /**
   * Makes each change once for each event, however often and in whatever order they come, with its ledger row and its
   * event. Changes of one product take effect one after the other.
   *
   * @throws the first failure, after all others were applied.
   */
  apply(changes: readonly StockChange[], call: Call): Promise<void>
}
