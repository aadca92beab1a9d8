import { type PlacementAlgorithm, type PlacementKey, textOf } from './algorithm.ts'
import { InvalidPlacementError, UnplaceableKeyError } from './faults.ts'

/**
 * Rows by several columns together: their values become one unambiguous text, by which `algorithm` (one that hashes,
 * or a directory) places the row. Other columns of a row are not looked at. For a rule of another kind over several
 * columns take `inline`.
 *
 * A number and its digits are one value; a column that is missing is refused.
 *
 * @throws InvalidPlacementError when no column is named, or one twice.
 */
export function complex<C extends string>(
  columns: readonly C[],
  algorithm: PlacementAlgorithm,
): PlacementAlgorithm<Readonly<Record<C, PlacementKey>>> {
  if (columns.length === 0 || new Set(columns).size < columns.length)
    throw new InvalidPlacementError('several columns', `"${columns.join('", "')}" are not a key`)
  return (nodes) => {
    const locate = algorithm(nodes)
    return (row) => locate(JSON.stringify(columns.map((column) => valueOf(row, column))))
  }
}

function valueOf<C extends string>(row: Readonly<Record<C, PlacementKey>>, column: C): string {
  const value: unknown = row[column]
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new UnplaceableKeyError('several columns', row, `column "${column}" has no value`)
  return textOf('several columns', value)
}
