import type { Call } from '@stoa/kernel'

import type { Give, StockChange } from './change.ts'
import type { CellLevel } from './stock.ts'

export type StockStore = {
  /** What lies in which cell of the product; none when it was never counted. One round trip for each shard with cells. */
  levels(product: string, call: Call): Promise<readonly CellLevel[]>
  /** The cells of the product by the database that has them now. */
  places(product: string, call: Call): Promise<readonly (readonly string[])[]>
  /**
   * Makes each change once for each event, however often and in whatever order they come, with its ledger row and its
   * event. Changes of one cell take effect one after the other.
   *
   * @throws the first failure, after all others were applied: CellsMovedError when cells lie elsewhere than was planned.
   */
  apply(changes: readonly StockChange[], call: Call): Promise<void>
  /** Lets units leave their cells, each lot only if it is still free. One round trip for each shard of a giving cell. */
  give(gives: readonly Give[], call: Call): Promise<void>
}
