import type { Statement } from '@stoa/kernel'

import { barrier, type BranchOp, type Outcome } from '../src/index.ts'
import { type Database, idIn, call } from './databases.ts'

/** A purse without any key of its own against repeats: what protects it is the barrier alone. */
export const purseDdl = [
  `CREATE TABLE purse (id TEXT PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0),
  frozen INTEGER NOT NULL CHECK (frozen >= 0), spent INTEGER NOT NULL)`,
  'CREATE TABLE part (id TEXT NOT NULL, gid TEXT NOT NULL, amount INTEGER NOT NULL)',
]

export const amount = 7
const start = 1_000_000

type TccOp = Extract<BranchOp, 'try' | 'confirm' | 'cancel'>

const tried = '(SELECT amount FROM part WHERE part.id = purse.id AND gid = ?)'

/** What the branch does: the amount of what follows a try is that of the try. */
function work(op: TccOp, [id, gid]: [string, string], gate: Statement): readonly Statement[] {
  if (op === 'try') {
    return [
      {
        sql: `UPDATE purse SET available = available - ?, frozen = frozen + ? WHERE id = ? AND ${gate.sql}`,
        args: [amount, amount, id, ...gate.args],
      },
      {
        sql: `INSERT INTO part (id, gid, amount) SELECT ?, ?, ? WHERE ${gate.sql}`,
        args: [id, gid, amount, ...gate.args],
      },
    ]
  }
  const to = op === 'confirm' ? 'spent' : 'available'
  return [
    {
      sql: `UPDATE purse SET frozen = frozen - ${tried}, ${to} = ${to} + ${tried} WHERE id = ? AND ${gate.sql}`,
      args: [gid, gid, id, ...gate.args],
    },
    { sql: 'SELECT 1 AS last', args: [] },
  ]
}

/** Every order of the given operations; equal ones are not told apart. */
export function ordersOf(ops: readonly TccOp[]): readonly (readonly TccOp[])[] {
  if (ops.length === 0) return [[]]
  return [...new Set(ops)].flatMap((op) => {
    const rest = [...ops]
    rest.splice(rest.indexOf(op), 1)
    return ordersOf(rest).map((order) => [op, ...order])
  })
}

/** One operation's luck: it commits, dies at a statement, or commits and the very same request comes once more. */
type Luck = 'commits' | 'dies' | 'comes again'

export type Schedule = {
  readonly order: readonly TccOp[]
  readonly luck: readonly Luck[]
  /** At which statement those die that do. */
  readonly diesAt: number
}

/** The statements of an operation here: the barrier, two of the work. Dying after the last is dying before the commit. */
const deaths = [0, 1, 2, 3]

/**
 * All orders; in each, all subsets of operations that die, all subsets that come again, and each one alone dying at each
 * statement. A lost reply is a commit whose outcome nobody reads.
 */
export function schedulesOf(ops: readonly TccOp[]): readonly Schedule[] {
  return ordersOf(ops).flatMap((order) => {
    const subsets = Array.from({ length: 2 ** order.length }, (_, mask) => mask)
    const singles = order.map((_op, index) => 2 ** index)
    const luck = (mask: number, wrong: Luck) =>
      order.map((_op, index): Luck => ((mask >> index) & 1 ? wrong : 'commits'))
    return [
      ...subsets.map((mask) => ({ order, diesAt: 2, luck: luck(mask, 'dies') })),
      ...subsets.slice(1).map((mask) => ({ order, diesAt: 0, luck: luck(mask, 'comes again') })),
      ...deaths
        .filter((diesAt) => diesAt !== 2)
        .flatMap((diesAt) => singles.map((mask) => ({ order, diesAt, luck: luck(mask, 'dies') }))),
    ]
  })
}

/** What must have become of each operation, said by a model that knows no database. */
class Model {
  tried = false
  cancelled = false
  confirmed = false

  expect(op: TccOp): Outcome | 'refused' {
    if (op === 'try') {
      const outcome = this.tried ? 'duplicate' : this.cancelled ? 'hanging' : 'applied'
      this.tried ||= outcome === 'applied'
      return outcome
    }
    if (op === 'confirm') {
      if (!this.tried || this.cancelled) return 'refused'
      const outcome = this.confirmed ? 'duplicate' : 'applied'
      this.confirmed = true
      return outcome
    }
    if (this.confirmed) return 'refused'
    const outcome = this.cancelled ? 'duplicate' : this.tried ? 'applied' : 'void'
    this.cancelled = true
    return outcome
  }

  get purse(): readonly [number, number, number] {
    if (!this.tried || this.cancelled) return [start, 0, 0]
    return this.confirmed ? [start - amount, 0, amount] : [start - amount, amount, 0]
  }
}

async function sendAs(
  database: Database,
  statements: readonly Statement[],
  read: (rows: Awaited<ReturnType<Database['batch']>>) => Outcome,
): Promise<string> {
  try {
    return read(await database.batch(statements, 'write', call))
  } catch (error) {
    const { constraint } = error as { readonly constraint?: string }
    if (constraint === 'barrier.reason') return 'refused'
    if (constraint === 'barrier.token') return 'token met again'
    return `failed: ${String(error)}`
  }
}

let count = 0

/** Runs one schedule on a purse of its own. @throws what differs from the model. */
export async function runSchedule(
  database: Database,
  schedule: Schedule,
  token: () => string = () => `token ${(count += 1)}`,
): Promise<void> {
  const id = idIn(1)
  const gid = `g-${id}`
  await database.run(
    'INSERT INTO purse (id, available, frozen, spent) VALUES (?, ?, 0, 0)',
    id,
    start,
  )
  const model = new Model()
  const again: (readonly Statement[])[] = []
  const told: string[] = []
  for (const [index, op] of schedule.order.entries()) {
    const attempt = { key: id, gid, branch: 'purse', op, token: token(), at: 0 }
    const batch = barrier(attempt, (gate) => work(op, [id, gid], gate))
    const luck = schedule.luck[index]
    database.fate = () => (luck === 'dies' ? { diesAt: schedule.diesAt } : 'kept')
    const outcome = await sendAs(database, batch.statements, batch.outcome)
    database.fate = () => 'kept'
    if (luck === 'dies') continue
    const expected = model.expect(op)
    told.push(`${op}: ${outcome}`)
    if (outcome !== expected) throw new Error(`${told.join(', ')} (expected ${expected})`)
    // What was refused wrote nothing: coming again it is as if it came for the first time.
    if (luck === 'comes again' && outcome !== 'refused') again.push(batch.statements)
  }
  for (const statements of again) await sendAs(database, statements, () => 'applied')
  const [row] = await database.run('SELECT available, frozen, spent FROM purse WHERE id = ?', id)
  if (String(row) !== String(model.purse))
    throw new Error(
      `${told.join(', ')}: the purse holds ${String(row)}, not ${String(model.purse)}`,
    )
}
