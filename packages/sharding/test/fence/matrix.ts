import type { SlotState } from '@stoa/kernel'

import type { TableInfo } from '../../src/fence/catalogue.ts'
import type { FencedDatabase, Piece } from './databases.ts'
import { type Form, formsOf, place } from './forms.ts'
import { type RowMaker, rowMakerOf } from './rows.ts'

const slot = { lo: '0A1', hi: '0A2' }
const prefix = { lo: '0A1BB', hi: '0A1BC' }

type Scenario = {
  readonly name: string
  readonly pieces: readonly Piece[]
  /** What the innermost piece of the rows says. */
  readonly state: SlotState | 'unknown'
}

const states = ['serving', 'migrating', 'importing', 'frozen', 'handed_off', 'unknown'] as const
const isWritable = (state: Scenario['state']) => state === 'serving' || state === 'migrating'

/** Each state of a slot, of an owner within a slot that is in another state, and beside such an owner. */
const scenarios: readonly Scenario[] = [
  ...states.map((state) => ({
    name: `a slot that is ${state}`,
    pieces: [{ ...slot, state }],
    state,
  })),
  ...states
    .filter((state) => state !== 'unknown')
    .map((state) => {
      const outer = isWritable(state) ? ('handed_off' as const) : ('serving' as const)
      return {
        name: `an owner that is ${state} in a slot that is ${outer}`,
        pieces: [
          { ...slot, state: outer },
          { ...prefix, state },
        ],
        state,
      }
    }),
  ...(['serving', 'frozen'] as const).map((state) => ({
    name: `a slot that is ${state}, past an owner that is not`,
    pieces: [
      { ...slot, state },
      {
        lo: '0A1BA',
        hi: prefix.lo,
        state: state === 'serving' ? ('frozen' as const) : ('serving' as const),
      },
    ],
    state,
  })),
]

async function contentOf(database: FencedDatabase, maker: RowMaker): Promise<string> {
  const rows = await database.run(`SELECT * FROM "${maker.table}"`)
  const digits = (_name: string, value: unknown) =>
    value instanceof ArrayBuffer ? new Uint8Array(value).join() : value
  return JSON.stringify(rows.map((row) => JSON.stringify(row, digits)).toSorted())
}

/** What is wrong with how a form was answered, or nothing. */
async function wrongWith(
  database: FencedDatabase,
  form: Form,
  { maker, scenario }: { readonly maker: RowMaker; readonly scenario: Scenario },
): Promise<string | undefined> {
  const before = await contentOf(database, maker)
  // The last statement fails, so that whatever passed is undone.
  const undo = "SELECT json_extract('{}', 'UNDONE')"
  const said = await database.client
    .batch([{ sql: form.sql, args: [...form.args] }, undo], 'write')
    .then(() => '', String)
  const passed = said.includes('UNDONE')
  const isChanged = (await contentOf(database, maker)) !== before
  const label = `${maker.table}: ${form.name} in ${scenario.name}`
  if (isChanged) return `${label} left a change`
  if (form.passes === 'never') return passed ? `${label} passed` : undefined
  if (isWritable(scenario.state)) return passed ? undefined : `${label} failed: ${said}`
  const owner = scenario.state === 'unknown' ? '|0|unknown|' : `|3|${scenario.state}|b`
  const isTold = said.includes('SHARD_FENCED|0A1') && said.includes(owner)
  return isTold ? undefined : `${label} ${passed ? 'passed' : `said ${said}`}`
}

/** What is answered wrongly, of every form of writing one table's rows in one scenario. */
async function wrongIn(
  database: FencedDatabase,
  scenario: Scenario,
  { maker, rows }: { readonly maker: RowMaker; readonly rows: Parameters<typeof formsOf>[1] },
): Promise<readonly string[]> {
  const found: string[] = []
  for (const piece of scenario.pieces) await database.own(piece)
  for (const form of formsOf(maker, rows)) {
    const wrong = await wrongWith(database, form, { maker, scenario })
    if (wrong !== undefined) found.push(wrong)
  }
  for (const piece of scenario.pieces) await database.own({ ...piece, state: 'unknown' })
  return found
}

/** Tries every form of writing in every scenario; what was answered wrongly. */
export async function violationsOf(
  database: FencedDatabase,
  tables: readonly TableInfo[],
): Promise<readonly string[]> {
  const found: string[] = []
  for (const info of tables) {
    const maker = await rowMakerOf(database, info)
    const rows = { old: maker.row(prefix.lo, 1), fresh: maker.row(prefix.lo, 2) }
    await place(database, maker, rows.old)
    for (const scenario of scenarios) {
      if (scenario.pieces.length > 1 && !maker.divides) continue
      found.push(...(await wrongIn(database, scenario, { maker, rows })))
    }
    await database.move(`DELETE FROM "${maker.table}"`)
  }
  return found
}
