import type { Call, Clock, Ids } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'

import { cellsOf, spreadCells } from './cell.ts'
import type { StockChange } from './change.ts'
import { derivedId } from './derived-id.ts'
import type { StockStore } from './ports.ts'
import { available, type CellLevel, StockNotFoundError } from './stock.ts'

/** A transfer is told of once when it leaves. */
const movedSeq = 1

type Shift = { readonly from: string; readonly to: string; readonly quantity: number }

/**
 * The moves after which the free units of `levels` lie evenly in the first `count` cells and nowhere else. What is
 * reserved stays where it is. Each cell gives or takes, never both.
 */
export function planSpread(
  product: string,
  { levels, count }: { readonly levels: readonly CellLevel[]; readonly count: number },
): readonly Shift[] {
  const free = new Map(levels.map((level) => [level.cell, available(level)]))
  const total = levels.reduce((sum, level) => sum + available(level), 0)
  const chosen = spreadCells(product, count)
  const share = Math.floor(total / chosen.length)
  const wanted = new Map(
    chosen.map((cell, index) => [cell, share + (index < total % chosen.length ? 1 : 0)]),
  )
  const surplus = cellsOf(product).map((cell) => ({
    cell,
    units: (free.get(cell) ?? 0) - (wanted.get(cell) ?? 0),
  }))
  const givers = surplus.filter(({ units }) => units > 0)
  const takers = surplus.filter(({ units }) => units < 0)
  const shifts: Shift[] = []
  for (const { cell: to, units } of takers) {
    let lacking = -units
    while (lacking > 0) {
      const giver = givers.at(-1)
      if (giver === undefined) break
      const quantity = Math.min(lacking, giver.units)
      shifts.push({ from: giver.cell, to, quantity })
      lacking -= quantity
      giver.units -= quantity
      if (giver.units === 0) givers.pop()
    }
  }
  return shifts
}

/**
 * Spreads what is free of a product over `count` cells. Units leave a cell only if they are still free, and arrive by
 * an event: dying anywhere loses none, and asking again evens out what sales have changed meanwhile.
 *
 * @returns how many units were asked to move.
 * @throws StockNotFoundError
 */
export async function spreadStock(
  { stock, ids, clock }: { readonly stock: StockStore; readonly ids: Ids; readonly clock: Clock },
  { product, count }: { readonly product: string; readonly count: number },
  call: Call,
): Promise<number> {
  const levels = await stock.levels(product, call)
  if (levels.length === 0) throw new StockNotFoundError()
  const gives = planSpread(product, { levels, count }).map((shift) => {
    const transfer = derivedId(shift.from, ['give', ids.child(product)])
    const moved = newEvent(ids, 'stock.moved', {
      key: transfer,
      seq: movedSeq,
      at: clock.now(),
      cause: call.requestId,
      data: { product, transfer, ...shift },
    })
    return { transfer, ...shift, moved }
  })
  await stock.give(gives, call)
  return gives.reduce((sum, { quantity }) => sum + quantity, 0)
}

/** What has left another cell comes in. */
export function take(event: StoaEvent<'stock.moved'>): readonly StockChange[] {
  const { transfer, ...data } = event.data
  const taken = derivedId(data.to, ['take', data.to, transfer])
  return [{ kind: 'take', cause: event, ...data, transfer: taken }]
}
