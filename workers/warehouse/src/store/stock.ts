import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { stock } from '@stoa/data/warehouse'
import { type Call } from '@stoa/kernel'
import type { Effect } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'
import { and, gte, inArray, lt } from 'drizzle-orm'

import { cellsOf, rangeOf } from '../domain/cell.ts'
import type { Give, StockChange } from '../domain/change.ts'
import type { StockStore } from '../domain/ports.ts'
import { type CellLevel, CellsMovedError } from '../domain/stock.ts'
import { db } from './builder.ts'
import { giveStatements } from './give.ts'
import { isCellsMoved, statementsOf } from './statements.ts'

/** The most changes of one batch: a thousand statements, far from the 5 s after which a write loses its lock. */
const changesAtOnce = 200

/** The cell by which a change is routed, and with which its inbox row lies. */
function keyOf(change: StockChange): string {
  if (change.kind === 'reserve') return change.cells[0].cell
  if (change.kind === 'release') return change.cells[0].cell
  return change.kind === 'take' ? change.to : change.product
}

/** What a change does to one product, which is its scope. */
type ProductEffect = Effect & { readonly scope: string }

function effectOf(change: StockChange, now: number): ProductEffect {
  return {
    event: change.cause,
    key: keyOf(change),
    scope: change.product,
    statements: statementsOf(change, now),
    events: [],
    conditional: change.kind === 'reserve' ? [change.reserved, change.otherwise] : [],
  }
}

type Part = { readonly from: string; readonly to: string }

function levelsQuery(product: string, { from, to }: Part) {
  return db
    .select({ cell: stock.product, onHand: stock.onHand, reserved: stock.reserved })
    .from(stock)
    .where(
      and(
        inArray(stock.product, [...cellsOf(product)]),
        gte(stock.product, from),
        lt(stock.product, to),
      ),
    )
}

async function readLevels(
  { router }: KeyspaceAccess,
  product: string,
  call: Call,
): Promise<readonly CellLevel[]> {
  const range = rangeOf(product)
  const query = levelsQuery(product, range)
  const sets = await router.readRange(range, (part) => statement(levelsQuery(product, part)), call)
  const levels = await Promise.all(sets.map((rows) => rowsOf(query, rows)))
  return levels.flat()
}

async function give(
  { router, committer, clock }: KeyspaceAccess,
  gives: readonly Give[],
  call: Call,
): Promise<void> {
  const groups = await router.groups(gives, ({ from }) => from, call)
  await inWaves(groups, async (group) => {
    const keys = group.map(({ from }) => from)
    const statements = group.flatMap((each) => giveStatements(each, clock.now()))
    const conditional = group.map(({ moved }) => moved)
    await committer.commit({ keys, statements, events: [], conditional }, call)
  })
}

/** As the inbox applies them; when cells have moved, the router knows where to before this fails. */
async function applyEffects(
  access: KeyspaceAccess,
  effects: readonly ProductEffect[],
  call: Call,
): Promise<void> {
  try {
    await access.inbox.apply(effects, call)
  } catch (error) {
    if (!isCellsMoved(error)) throw error
    // A read of the whole range meets the fence where a piece is elsewhere; a write at one cell need not.
    const products = [...new Set(effects.map(({ scope }) => scope))]
    await inWaves(products, async (product) => {
      await readLevels(access, product, call)
    })
    throw new CellsMovedError({ cause: error })
  }
}

export function stockStore(access: KeyspaceAccess): StockStore {
  return {
    levels: (product, call) => readLevels(access, product, call),
    places: (product, call) => access.router.groups(cellsOf(product), (cell) => cell, call),
    give: (gives, call) => give(access, gives, call),
    apply: async (changes, call) => {
      const now = access.clock.now()
      const failures: unknown[] = []
      for (let start = 0; start < changes.length; start += changesAtOnce) {
        const effects = changes
          .slice(start, start + changesAtOnce)
          .map((change) => effectOf(change, now))
        await applyEffects(access, effects, call).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
