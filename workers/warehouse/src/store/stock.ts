import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { stock } from '@stoa/data/warehouse'
import {
  AmbiguousWriteError,
  type Call,
  secureRandom,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import type { Effect } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'
import { barrier, BranchOrderError, newToken } from '@stoa/transactions'
import { and, gte, inArray, lt } from 'drizzle-orm'

import type { AskedBranch, Told } from '../domain/branch.ts'
import { cellsOf, rangeOf } from '../domain/cell.ts'
import type { Give, StockChange } from '../domain/change.ts'
import type { StockStore } from '../domain/ports.ts'
import { type CellLevel, CellsMovedError } from '../domain/stock.ts'
import { arrivalStatements } from './arrivals.ts'
import { branchStatements, isCellsMoved, reservationsFrom } from './branches.ts'
import { db } from './builder.ts'
import { giveStatements } from './give.ts'
import { rebuildStatement } from './rebuild.ts'

/** The most changes of one batch: a thousand statements, far from the 5 s after which a write loses its lock. */
const changesAtOnce = 200

/** What a change does to one product, which is its scope. */
function effectOf(change: StockChange, now: number): Effect {
  return {
    event: change.cause,
    key: change.kind === 'take' ? change.to : change.product,
    scope: change.product,
    statements: arrivalStatements(change, now),
    events: [],
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

const always: Statement = { sql: 'true', args: [] }

/** Runs `branch` behind its barrier, or, where it has none, behind its reservations alone. */
async function askOnce(
  { router, clock }: KeyspaceAccess,
  branch: AskedBranch,
  call: Call,
): Promise<Told> {
  const [{ cell: key }] = branch.cells
  const now = clock.now()
  const attempt = { ...branch, key, token: newToken(secureRandom), at: now }
  const { statements, outcome } = branch.isEntry
    ? barrier(attempt, (gate) => branchStatements(branch, { gate, now }))
    : { statements: branchStatements(branch, { gate: always, now }), outcome: () => undefined }
  const rows = await router.write(key, statements, call)
  return { outcome: outcome(rows), reservations: reservationsFrom(rows.at(-1)) }
}

async function ask(access: KeyspaceAccess, branch: AskedBranch, call: Call): Promise<Told> {
  try {
    return await askOnce(access, branch, call).catch((error: unknown) => {
      if (error instanceof AmbiguousWriteError) return askOnce(access, branch, call)
      throw error
    })
  } catch (error) {
    if (error instanceof SqlConstraintError && error.constraint === 'barrier.reason')
      throw new BranchOrderError({ ...branch, key: branch.product }, branch.op, { cause: error })
    if (!isCellsMoved(error)) throw error
    // A read of the whole range meets the fence where a piece is elsewhere; a write at one cell need not.
    await readLevels(access, branch.product, call)
    throw new CellsMovedError({ cause: error })
  }
}

export function stockStore(access: KeyspaceAccess): StockStore {
  return {
    levels: (product, call) => readLevels(access, product, call),
    places: (product, call) => access.router.groups(cellsOf(product), (cell) => cell, call),
    give: (gives, call) => give(access, gives, call),
    ask: (branch, call) => ask(access, branch, call),
    rebuild: async (cell, { mayFree }, call) => {
      const [rows] = await access.router.write(cell, [rebuildStatement(cell, mayFree)], call)
      return rows?.rowsAffected === 1
    },
    apply: async (changes, call) => {
      const now = access.clock.now()
      const failures: unknown[] = []
      for (let start = 0; start < changes.length; start += changesAtOnce) {
        const effects = changes
          .slice(start, start + changesAtOnce)
          .map((change) => effectOf(change, now))
        await access.inbox.apply(effects, call).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
