import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  slotOfId,
  slotText,
  SqlConstraintError,
  type SqlValue,
  type Statement,
  timeOf,
} from '@stoa/kernel'

import type { HotView } from './hot-view.ts'
import type { Kind } from './kind.ts'
import { decodePage, encodePage, pageValueMax } from './page.ts'
import { gateBucket } from './statements.ts'
import { type CountRouter, firstSlot } from './store.ts'
import {
  bucketKey,
  bucketOf,
  idOfRow,
  leastRest,
  pageOf,
  rowKeyOf,
  slotsPerBucket,
} from './subject.ts'

/** How often a change of a bucket that others change meanwhile is read again. */
const triesMax = 4

type ColdDeps = { readonly router: CountRouter; readonly clock: Clock }
type Values = readonly number[]

/** What is known of one page and the rows in its range, as of one sequence number of its bucket. */
type PageState = {
  readonly seq: number
  readonly entries: Map<string, Values>
  readonly rows: ReadonlyMap<string, Values>
  readonly marked: ReadonlySet<string>
}

/** The page seq moved on: somebody else changed the bucket. */
function isPassed(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.type === 'not_null'
}

/** Worth reading again: when the lost reply was that of a success, there is nothing left to do. */
function isWorthAnotherTry(error: unknown): boolean {
  return isPassed(error) || error instanceof AmbiguousWriteError
}

function slotsOf(kind: Kind, page: number): readonly string[] {
  const length = slotsPerBucket / (kind.pagesPerBucket ?? 1)
  return Array.from({ length }, (_, index) => slotText(page + index))
}

function idOf([slot, rest]: readonly SqlValue[]): string {
  return idOfRow({ slot: String(slot), rest: String(rest) })
}

type Place = {
  readonly kind: Kind
  readonly page: number
  /** Which rows are to go into the page; none when it is only to be read. */
  readonly old?: { readonly before: string; readonly limit: number }
}

/** The rows to be frozen into a page; each slot's own in the order of time, so that nothing younger is looked at. */
function oldRows(kind: Kind, slots: string, before: string) {
  return {
    from: `FROM count_${kind.name} WHERE slot IN (SELECT value FROM json_each(?)) AND id < unhex(?)`,
    args: [slots, before],
  }
}

async function readPage(
  router: CountRouter,
  { kind, page, old = { before: '', limit: 0 } }: Place,
  call: Call,
): Promise<PageState> {
  const key = firstSlot(bucketOf(page))
  const slots = JSON.stringify(slotsOf(kind, page))
  const aged = oldRows(kind, slots, old.before)
  const names = kind.metrics.map(({ name }, index) => `${name} AS v${index}`).join(', ')
  const query = (sql: string, ...args: readonly SqlValue[]) => ({ key, statement: { sql, args } })
  const [seqs, bodies, rows, marks] = await router.readMany(
    [
      query('SELECT seq AS seq FROM count_bucket WHERE slot = ?', bucketKey(bucketOf(page))),
      query(
        // A page that nothing goes into stays where it is.
        `SELECT body AS body FROM count_page WHERE slot = ? AND kind = ?
AND (? = 0 OR EXISTS (SELECT 1 ${aged.from}))`,
        slotText(page),
        kind.name,
        old.limit,
        ...aged.args,
      ),
      query(
        `SELECT slot AS slot, hex(id) AS rest, ${names} ${aged.from} ORDER BY slot, id LIMIT ?`,
        ...aged.args,
        old.limit,
      ),
      query(
        `SELECT slot AS slot, hex(id) AS rest FROM count_thaw
WHERE slot IN (SELECT value FROM json_each(?)) AND kind = ?`,
        slots,
        kind.name,
      ),
    ],
    call,
  )
  const body = bodies?.rows[0]?.[0]
  return {
    seq: Number(seqs?.rows[0]?.[0] ?? 0),
    entries: new Map(body instanceof Uint8Array ? decodePage(body, page) : []),
    rows: new Map((rows?.rows ?? []).map((row) => [idOf(row), row.slice(2).map(Number)])),
    marked: new Set((marks?.rows ?? []).map(idOf)),
  }
}

function keysJson(ids: Iterable<string>, valuesOf: (id: string) => Values = () => []): string {
  return JSON.stringify(
    [...ids].map((id) => {
      const { slot, rest } = rowKeyOf(id)
      return [slot, rest, ...valuesOf(id)]
    }),
  )
}

function writePage(kind: Kind, page: number, entries: ReadonlyMap<string, Values>): Statement {
  if (entries.size === 0) {
    const sql = 'DELETE FROM count_page WHERE slot = ? AND kind = ?'
    return { sql, args: [slotText(page), kind.name] }
  }
  const isSigned = [...entries.values()].some((values) => values.some((value) => value < 0))
  const body = encodePage(entries, page, { metrics: kind.metrics.length, signed: isSigned })
  return {
    sql: `INSERT INTO count_page (slot, kind, body) VALUES (?, ?, ?)
ON CONFLICT (slot, kind) DO UPDATE SET body = excluded.body`,
    args: [slotText(page), kind.name, body],
  }
}

const keyIn = '(slot, id) IN (SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?))'

/** Adds what the page held to rows that are there or not. */
function returnRows(kind: Kind, ids: readonly string[], state: PageState): Statement {
  const names = kind.metrics.map(({ name }) => name)
  const rows = keysJson(ids, (id) => names.map((_, index) => state.entries.get(id)?.[index] ?? 0))
  return {
    sql: `INSERT INTO count_${kind.name} (slot, id, ${names.join(', ')})
SELECT value ->> 0, unhex(value ->> 1), ${names.map((_, index) => `value ->> ${index + 2}`).join(', ')}
FROM json_each(?) WHERE true
ON CONFLICT (slot, id) DO UPDATE SET ${names.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
    args: [rows],
  }
}

/** Runs `change` on a page until nobody else changed its bucket between read and write; false when others always did. */
async function changePage(
  deps: ColdDeps,
  place: Place,
  change: {
    readonly of: (state: PageState) => Promise<readonly Statement[]>
    readonly call: Call
  },
): Promise<boolean> {
  const bucket = bucketOf(place.page)
  for (let tries = 0; tries < triesMax; tries += 1) {
    const state = await readPage(deps.router, place, change.call)
    const statements = await change.of(state)
    if (statements.length === 0) return true
    const batch = [gateBucket(bucketKey(bucket), state.seq), ...statements]
    try {
      await deps.router.writeAll([firstSlot(bucket)], batch, change.call)
      return true
    } catch (error) {
      if (!isWorthAnotherTry(error)) throw error
    }
  }
  return false
}

/**
 * Takes objects that were counted again out of their pages: page, row and mark change in one batch, which aborts when
 * the bucket has moved on since it was read. What cannot be done now stays marked, and its total is the sum of both.
 * Two round trips a page.
 */
export async function thawMarked(
  deps: ColdDeps,
  { kind, ids }: { readonly kind: Kind; readonly ids: readonly string[] },
  call: Call,
): Promise<void> {
  const pages = new Set(ids.map((id) => pageOf(slotOfId(id), kind.pagesPerBucket ?? 1)))
  for (const page of pages) {
    const of = async (state: PageState): Promise<readonly Statement[]> => {
      if (state.marked.size === 0) return []
      const inPage = [...state.marked].filter((id) => state.entries.has(id))
      const left = new Map([...state.entries].filter(([id]) => !state.marked.has(id)))
      const marks = keysJson(state.marked)
      const unmark = {
        sql: `DELETE FROM count_thaw WHERE kind = ? AND ${keyIn}`,
        args: [kind.name, marks],
      }
      if (inPage.length === 0) return [unmark]
      return [returnRows(kind, inPage, state), writePage(kind, page, left), unmark]
    }
    await changePage(deps, { kind, page }, { of, call })
  }
}

export type FreezeOptions = {
  /** Only objects that were made before this moment are frozen, in milliseconds since 1970. */
  readonly madeBefore: number
  /** For how long nobody may have counted or read them, as far as the hot view still knows. Default: a day. */
  readonly idleMs?: number
  /** Rows of one page that are looked at in one go. Default: 20,000. */
  readonly rowsMax?: number
}

const idleMsDefault = 86_400_000
const rowsMaxDefault = 20_000

type Freezing = { readonly kind: Kind; readonly options: FreezeOptions }

/**
 * Packs the idle rows of one page's slots into it: those of objects that are old enough and that nobody has counted or
 * read lately. Nothing is lost or counted twice by a crash or by increments in the meantime: rows and page change in one
 * batch, which aborts when the bucket has moved on since it was read.
 *
 * Costs three round trips; one when nothing is old enough.
 *
 * @returns how many objects were frozen.
 */
export async function freezePage(
  deps: ColdDeps & { readonly hot: HotView },
  { kind, options, page }: Freezing & { readonly page: number },
  call: Call,
): Promise<number> {
  const { madeBefore, idleMs = idleMsDefault, rowsMax = rowsMaxDefault } = options
  let count = 0
  const of = async (state: PageState): Promise<readonly Statement[]> => {
    const old = [...state.rows.keys()].filter((id) => timeOf(id) < madeBefore)
    const warm = await deps.hot.get({ kind, ids: old, maxAgeMs: idleMs }, call)
    const idle = old.filter((id) => {
      const isSmall = state.rows.get(id)?.every((value) => Math.abs(value) < pageValueMax)
      return isSmall === true && !warm.has(id) && !state.marked.has(id)
    })
    count = idle.length
    if (idle.length === 0) return []
    const entries = new Map([
      ...state.entries,
      ...idle.map((id) => [id, state.rows.get(id) ?? []] as const),
    ])
    const gone = { sql: `DELETE FROM count_${kind.name} WHERE ${keyIn}`, args: [keysJson(idle)] }
    return [writePage(kind, page, entries), gone]
  }
  const old = { before: leastRest(madeBefore), limit: rowsMax }
  return (await changePage(deps, { kind, page, old }, { of, call })) ? count : 0
}

/** As {@link freezePage}, for all pages of a bucket. */
export async function freezeBucket(
  deps: ColdDeps & { readonly hot: HotView },
  { kind, options, bucket }: Freezing & { readonly bucket: number },
  call: Call,
): Promise<number> {
  if (kind.pagesPerBucket === undefined) return 0
  const span = slotsPerBucket / kind.pagesPerBucket
  let frozen = 0
  for (let page = firstSlot(bucket); page < firstSlot(bucket + 1); page += span)
    frozen += await freezePage(deps, { kind, options, page }, call)
  return frozen
}
