import type { Call } from '@stoa/kernel'

import type { AskedBranch, Told } from './branch.ts'
import type { Give, StockChange } from './change.ts'
import type { CellLevel } from './stock.ts'

export type StockStore = {
  /** What lies in which cell of the product; none when it was never counted. One round trip for each shard with cells. */
  levels(product: string, call: Call): Promise<readonly CellLevel[]>
  /** The cells of the product by the database that has them now. */
  places(product: string, call: Call): Promise<readonly (readonly string[])[]>
  /**
   * Runs one operation of a branch at cells of one database, once for the order. One round trip; a lost reply costs
   * one more.
   *
   * @throws BranchOrderError; CellsMovedError when the cells lie elsewhere, and then it is known where.
   */
  ask(branch: AskedBranch, call: Call): Promise<Told>
  /**
   * Makes each change once for each event, however often and in whatever order they come, with its ledger row and its
   * event. Changes of one cell take effect one after the other.
   *
   * @throws the first failure, after all others were applied.
   */
  apply(changes: readonly StockChange[], call: Call): Promise<void>
  /** Lets units leave their cells, each lot only if it is still free. One round trip for each shard of a giving cell. */
  give(gives: readonly Give[], call: Call): Promise<void>
  /**
   * Sets what is reserved of a cell to what its reservations come to; answers whether that changed anything. What would
   * free units is left alone unless it may. One round trip. Safe to repeat.
   */
  rebuild(cell: string, how: { readonly mayFree: boolean }, call: Call): Promise<boolean>
}
