import {
  type Call,
  isFault,
  manualClock,
  slotRange,
  SqlConstraintError,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { claimAll, createLookup, mergeRows, type Router, type ScatterQuery } from '@stoa/sharding'

import { call } from './world.ts'

/** Where a page goes on: after the row with these values of what it is ordered by. */
export type Cursor = readonly SqlValue[]

type Page = readonly (readonly SqlValue[])[]

/** What an application does with a keyspace. The very same code runs on many databases and on one. */
export type Store = {
  /** Claims the handle, writes the thing, confirms. Answers who has the handle, or that it was taken. */
  create(this: void, id: string, handle: string): Promise<string>
  /** The thing's version after one more. */
  raise(this: void, id: string): Promise<SqlValue | undefined>
  /** Labels are unique under one thing: a second one is refused. */
  enter(this: void, thing: string, id: string, label: string): Promise<string>
  relabel(this: void, id: string, label: string): Promise<string>
  remove(this: void, id: string): Promise<Page>
  /** Follows the handle to its thing. */
  find(this: void, handle: string): Promise<Page | undefined>
  versions(this: void, ids: readonly string[]): Promise<readonly Page[]>
  /** Entries of one slot in the order of their ids, wherever its parts are. */
  entriesOf(this: void, slot: number, after: Cursor | undefined, limit: number): Promise<Page>
  /** Things of all shards, those that changed most first. */
  busiest(this: void, after: Cursor | undefined, limit: number): Promise<Page>
  /** Entries of all shards in the order of their labels. */
  labelled(this: void, after: Cursor | undefined, limit: number): Promise<Page>
}

/** What a mutant does otherwise. */
export type StoreFlaws = {
  /** Asks a shard for all rows that it has, not for those that it serves. */
  readonly takesAll?: boolean
  /** Goes on after the first column alone. */
  readonly forgetsTies?: boolean
  /** Goes on after so many rows as were given before. */
  readonly counts?: boolean
  /** Takes the shard where a range begins for the one that has all of it. */
  readonly asksFirstOnly?: boolean
  /** Keeps what a handle led to. */
  readonly remembersHandles?: boolean
}

const triesMax = 40

/** Tries again what was refused: nothing is lost here, so what failed was not done. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (!isFault(error) || !error.retryable || tries >= triesMax) throw error
    }
  }
}

/** What the rules of the tables said to a write. */
async function unlessRefused(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'done'
  } catch (error) {
    if (error instanceof SqlConstraintError) return `refused: ${error.constraint}`
    throw error
  }
}

type Listing = {
  readonly select: string
  readonly key: string
  readonly order: ScatterQuery['order']
  /** The condition that a row comes after the cursor, and how often each of its values is bound. */
  readonly isAfter: string
  readonly bind: (cursor: Cursor) => readonly SqlValue[]
}

const things: Listing = {
  select: 'SELECT version, id FROM thing',
  key: 'id',
  order: [{ column: 'version', descending: true }, { column: 'id' }],
  isAfter: '(version < ? OR (version = ? AND id > ?))',
  bind: ([version = null, id = null]) => [version, version, id],
}

const entries: Listing = {
  select: 'SELECT label, id, thing FROM entry',
  key: 'id',
  order: [{ column: 'label' }, { column: 'id' }],
  isAfter: '(label > ? OR (label = ? AND id > ?))',
  bind: ([label = null, id = null]) => [label, label, id],
}

const orderOf = (order: ScatterQuery['order']) =>
  order.map(({ column, descending }) => `${column}${descending === true ? ' DESC' : ''}`).join(', ')

export function createStore(router: Router, flaws: StoreFlaws = {}): Store {
  const lookup = createLookup(router, manualClock(1))
  const handles = new Map<string, string | undefined>()
  const given = new Map<string, number>()
  const write = (key: string, statements: readonly Statement[]) =>
    persist(() => router.write(key, statements, call))

  const afterOf = (listing: Listing, cursor: Cursor | undefined): Statement => {
    if (cursor === undefined || flaws.counts === true) return { sql: 'true', args: [] }
    if (flaws.forgetsTies !== true) return { sql: listing.isAfter, args: listing.bind(cursor) }
    const [{ column, descending } = { column: '' }] = listing.order
    return { sql: `${column} ${descending === true ? '<' : '>'} ?`, args: cursor.slice(0, 1) }
  }
  const scatter = async (
    listing: Listing,
    cursor: Cursor | undefined,
    limit: number,
  ): Promise<Page> => {
    const after = afterOf(listing, cursor)
    const skipped = flaws.counts === true ? (given.get(JSON.stringify(cursor)) ?? 0) : 0
    const query: ScatterQuery = {
      select: (isOwned) => ({
        sql: `${listing.select} WHERE ${after.sql} AND ${flaws.takesAll === true ? 'true' : isOwned(listing.key)}
ORDER BY ${orderOf(listing.order)} LIMIT ?`,
        args: [...after.args, skipped + limit],
      }),
      order: listing.order,
      limit: skipped + limit,
      unreachable: 'fail',
    }
    const { rows } = await persist(() => router.scatter(query, call))
    const page = rows.rows.slice(skipped)
    given.set(JSON.stringify(page.at(-1)?.slice(0, 2)), skipped + page.length)
    return page
  }
  const find = async (handle: string, at: Call): Promise<string | undefined> => {
    if (flaws.remembersHandles === true && handles.has(handle)) return handles.get(handle)
    const owner = await persist(() => lookup.find('handle', handle, at))
    handles.set(handle, owner)
    return owner
  }
  return {
    create: async (id, handle) => {
      const claim = { kind: 'handle', text: handle, owner: id } as const
      const job = { claims: [claim] as const, exists: async () => true, now: 1 }
      const outcome = await persist(() => claimAll(lookup, job, call))
      if ('taken' in outcome) return `${outcome.taken} taken`
      const { owner } = outcome
      if (owner !== id) return `of ${owner}`
      await write(id, [{ sql: 'INSERT INTO thing (id, version) VALUES (?, 1)', args: [id] }])
      await persist(() => lookup.confirm([claim], call))
      return `of ${owner}`
    },
    raise: async (id) => {
      const sql = 'UPDATE thing SET version = version + 1 WHERE id = ? RETURNING version'
      const [rows] = await write(id, [{ sql, args: [id] }])
      return rows?.rows[0]?.[0]
    },
    enter: (thing, id, label) => {
      const sql = 'INSERT INTO entry (id, thing, label, weight) VALUES (?, ?, ?, 0.5)'
      return unlessRefused(() => write(thing, [{ sql, args: [id, thing, label] }]))
    },
    relabel: (id, label) =>
      unlessRefused(() =>
        write(id, [{ sql: 'UPDATE entry SET label = ? WHERE id = ?', args: [label, id] }]),
      ),
    remove: async (id) => {
      const sql = 'DELETE FROM entry WHERE id = ? RETURNING label'
      const [rows] = await write(id, [{ sql, args: [id] }])
      return rows?.rows ?? []
    },
    find: async (handle) => {
      const owner = await find(handle, call)
      if (owner === undefined) return undefined
      const query = { sql: 'SELECT id, version FROM thing WHERE id = ?', args: [owner] }
      return (await persist(() => router.read(owner, query, call))).rows
    },
    versions: async (ids) => {
      const queries = ids.map((id) => ({
        key: id,
        statement: { sql: 'SELECT version FROM thing WHERE id = ?', args: [id] },
      }))
      const found = await persist(() => router.readMany(queries, call))
      return found.map(({ rows }) => rows)
    },
    entriesOf: async (slot, cursor, limit) => {
      const whole = slotRange(slot)
      const [after = ''] = cursor ?? []
      const select = ({ from, to }: { readonly from: string; readonly to: string }): Statement => ({
        sql: 'SELECT id, label FROM entry WHERE id >= ? AND id < ? AND id > ? ORDER BY id LIMIT ?',
        args: [from, to, after, limit],
      })
      if (flaws.asksFirstOnly === true) {
        const statement = select(whole)
        return (await persist(() => router.read(whole.from, statement, call))).rows
      }
      const sets = await persist(() => router.readRange(whole, select, call))
      return mergeRows(sets, { order: [{ column: 'id' }], limit }).rows
    },
    busiest: (after, limit) => scatter(things, after, limit),
    labelled: (after, limit) => scatter(entries, after, limit),
  }
}
