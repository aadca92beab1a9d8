import type { Call, Clock, Ids } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'

import { afterCell, entryOf } from './cell.ts'
import { type AskedCell, mergeLines, type StockChange } from './change.ts'
import { derivedId, reservationId } from './derived-id.ts'
import type { StockStore } from './ports.ts'

/** A cell says once what became of an order there. */
const outcomeSeq = 1

type Deps = {
  readonly stock: Pick<StockStore, 'places'>
  readonly ids: Ids
  readonly clock: Clock
}

/** What an order wants of a product, and where it asks. */
type Wish = {
  readonly order: string
  readonly product: string
  readonly quantity: number
  readonly to: string
  readonly tried: readonly string[]
}

function asked(cell: string, order: string, type: 'reserve' | 'release'): AskedCell {
  const movement = derivedId(cell, [type, cell, order])
  return { cell, reservation: reservationId(cell, order), movement }
}

/**
 * Asks the cell that the wish has come to, and with it all others of the product in the same database that were not
 * asked before: with both outcomes prepared, the database picks one. A wish is at one cell at a time, so that at most
 * one reserves for it.
 */
function askAt(
  { order, product, quantity, to, tried }: Wish,
  {
    cause,
    places,
    ids,
    clock,
  }: Omit<Deps, 'stock'> & {
    readonly cause: StoaEvent
    readonly places: readonly (readonly string[])[]
  },
): StockChange {
  const near = new Set(places.find((place) => place.includes(to)))
  const known = new Set([...tried, to])
  const others = afterCell(product, to).filter((cell) => !known.has(cell))
  const beside = others.filter((cell) => near.has(cell))
  const next = others.find((cell) => !near.has(cell))
  const data = { order, product, quantity }
  const source = {
    key: reservationId(to, order),
    seq: outcomeSeq,
    at: clock.now(),
    cause: cause.id,
  }
  return {
    kind: 'reserve',
    cause,
    ...data,
    cells: [asked(to, order, 'reserve'), ...beside.map((cell) => asked(cell, order, 'reserve'))],
    reserved: newEvent(ids, 'stock.reserved', { ...source, data }),
    otherwise:
      next === undefined
        ? newEvent(ids, 'stock.refused', { ...source, data })
        : newEvent(ids, 'stock.passed_on', {
            ...source,
            data: { ...data, to: next, tried: [...known, ...beside] },
          }),
  }
}

/** A wish for each product of the order, at the cell where orders of this id ask first. */
export async function reserve(
  event: StoaEvent<'order.placed'>,
  { stock, ...deps }: Deps,
  call: Call,
): Promise<readonly StockChange[]> {
  const { order, lines } = event.data
  return Promise.all(
    mergeLines(lines).map(async ({ product, quantity }) => {
      const places = await stock.places(product, call)
      const wish = { order, product, quantity, to: entryOf(product, order), tried: [] }
      return askAt(wish, { ...deps, cause: event, places })
    }),
  )
}

/** A wish that other cells could not fulfil. */
export async function askOn(
  event: StoaEvent<'stock.passed_on'>,
  { stock, ...deps }: Deps,
  call: Call,
): Promise<readonly StockChange[]> {
  const places = await stock.places(event.data.product, call)
  return [askAt(event.data, { ...deps, cause: event, places })]
}

/** Gives back, product by product, what the order had: whichever cell has it knows. */
export async function release(
  event: StoaEvent<'order.rejected'>,
  { stock }: Pick<Deps, 'stock'>,
  call: Call,
): Promise<readonly StockChange[]> {
  const { order, release: lines } = event.data
  const changes = await Promise.all(
    mergeLines(lines).map(async ({ product, quantity }) => {
      const entry = entryOf(product, order)
      const places = await stock.places(product, call)
      return places.flatMap((place): readonly StockChange[] => {
        const [first, ...rest] = place.map((cell) => asked(cell, order, 'release'))
        if (first === undefined) return []
        return [
          {
            kind: 'release',
            cause: event,
            order,
            product,
            quantity,
            cells: [first, ...rest],
            entry,
          },
        ]
      })
    }),
  )
  return changes.flat()
}
