import type { InValue } from '@libsql/client'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'

import type { Trigger } from '../../src/fence/triggers.ts'
import { type FencedDatabase, openFenced } from './databases.ts'

const ddl = `CREATE TABLE item (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE CHECK (length(id) = 20), owner TEXT NOT NULL CHECK (length(owner) = 20),
  rank INTEGER NOT NULL, note TEXT, UNIQUE (owner, rank));
CREATE TABLE edge (owner TEXT NOT NULL CHECK (length(owner) = 20), other TEXT NOT NULL, weight INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (owner, other)) WITHOUT ROWID;
CREATE TABLE mark (owner TEXT NOT NULL CHECK (length(owner) = 20), id BLOB NOT NULL, weight INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (owner, id)) WITHOUT ROWID;`

const owners = ['0A1BB000000000000001', '0A1BB000000000000002', '0A1BC000000000000001']
const ids = Array.from({ length: 6 }, (_, at) => `0A1BB00000000000001${at}`)

let open: FencedDatabase[] = []
afterEach(() => {
  for (const { client } of open) client.close()
  open = []
})

async function opened(mutate?: (trigger: Trigger) => readonly Trigger[]): Promise<FencedDatabase> {
  const database = await openFenced({ ddl }, mutate)
  await database.own({ lo: '0A1', hi: '0A2', state: 'migrating', job: 'j' })
  open.push(database)
  return database
}

const owner = fc.constantFrom(...owners)
const id = fc.constantFrom(...ids)
const small = fc.integer({ min: 0, max: 4 })
/** Some are the beginning of others, one is empty, and one holds what no text can. */
const bytes = fc.constantFrom("x''", "x'00'", "x'0000'", "x'00ff'", "x'6162'")
const how = fc.constantFrom('', 'OR IGNORE')

/** Statements as an application may send them; some break a rule and change nothing. */
const statement = fc.oneof(
  fc
    .tuple(how, id, owner, small)
    .map(
      ([or, a, b, n]) => `INSERT ${or} INTO item (id, owner, rank) VALUES ('${a}', '${b}', ${n})`,
    ),
  fc
    .tuple(id, owner, small)
    .map(
      ([a, b, n]) =>
        `INSERT INTO item (id, owner, rank) VALUES ('${a}', '${b}', ${n}) ON CONFLICT (id) DO UPDATE SET rank = excluded.rank, note = 'up'`,
    ),
  fc
    .tuple(how, id, small)
    .map(([or, a, n]) => `UPDATE ${or} item SET rank = ${n}, note = 'x${n}' WHERE id >= '${a}'`),
  fc
    .tuple(how, id, owner)
    .map(([or, a, b]) => `UPDATE ${or} item SET owner = '${b}' WHERE id = '${a}'`),
  id.map((a) => `DELETE FROM item WHERE id > '${a}'`),
  fc
    .tuple(owner, small)
    .map(
      ([a, n]) =>
        `INSERT INTO edge (owner, other) SELECT '${a}', value FROM json_each('["a","b","c${n}"]') WHERE true ON CONFLICT DO NOTHING`,
    ),
  fc
    .tuple(owner, small)
    .map(([a, n]) => `UPDATE edge SET weight = weight + ${n} WHERE owner = '${a}'`),
  fc
    .tuple(how, owner, bytes, small)
    .map(
      ([or, a, b, n]) => `INSERT ${or} INTO mark VALUES ('${a}', ${b}, ${n}), ('${a}', x'01', 1)`,
    ),
  fc
    .tuple(owner, bytes, small)
    .map(
      ([a, b, n]) =>
        `INSERT INTO mark VALUES ('${a}', ${b}, ${n}) ON CONFLICT DO UPDATE SET weight = weight + excluded.weight`,
    ),
  fc.tuple(bytes, small).map(([b, n]) => `UPDATE mark SET weight = ${n} WHERE id >= ${b}`),
  fc.tuple(owner, bytes).map(([a, b]) => `DELETE FROM mark WHERE owner = '${a}' AND id > ${b}`),
  owner.map((a) => `DELETE FROM edge WHERE owner = '${a}'`),
  fc.constant('DELETE FROM edge'),
  fc
    .tuple(owner, small)
    .map(([a, n]) => `REPLACE INTO edge (owner, other, weight) VALUES ('${a}', 'a', ${n})`),
)

const listed = {
  item: 'SELECT id, owner, rank, note FROM item ORDER BY id',
  edge: 'SELECT owner, other, weight FROM edge ORDER BY owner, other',
  mark: 'SELECT owner, hex(id), weight FROM mark ORDER BY owner, id',
}

async function contentOf(database: FencedDatabase) {
  return {
    item: await database.run(listed.item),
    edge: await database.run(listed.edge),
    mark: await database.run(listed.mark),
  }
}

/** How each table is copied: its columns, and which row a captured name means. */
const copied: Readonly<Record<string, { readonly names: string; readonly where: string }>> = {
  item: { names: 'id, owner, rank, note', where: 'id = ? ->> 0' },
  edge: { names: 'owner, other, weight', where: 'owner = ?1 ->> 0 AND other = ?1 ->> 1' },
  mark: { names: 'owner, id, weight', where: 'owner = ?1 ->> 0 AND id = unhex(?1 ->> 1)' },
}

/** A copy as the mover keeps it: for each captured key, what the source holds now, or nothing. */
async function replay(source: FencedDatabase, copy: FencedDatabase): Promise<void> {
  for (const [table, pk] of await source.run('SELECT DISTINCT tbl, pk FROM _cdc')) {
    const { names = '', where = '' } = copied[String(table)] ?? {}
    await copy.move(`DELETE FROM ${String(table)} WHERE ${where}`, String(pk))
    const rows = await source.run(
      `SELECT ${names} FROM ${String(table)} WHERE ${where}`,
      String(pk),
    )
    for (const row of rows) {
      const marks = row.map(() => '?').join(', ')
      await copy.move(
        `REPLACE INTO ${String(table)} (${names}) VALUES (${marks})`,
        ...(row as InValue[]),
      )
    }
  }
}

async function drift(
  statements: readonly string[],
  mutate?: (trigger: Trigger) => readonly Trigger[],
): Promise<readonly [unknown, unknown]> {
  const [source, copy] = [await opened(mutate), await opened()]
  for (const sql of statements) await source.run(sql).catch(() => undefined)
  await replay(source, copy)
  return [await contentOf(copy), await contentOf(source)]
}

describe('the capture', () => {
  test('names every row that any statement changes, so that a copy is made whole by keys alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(statement, { maxLength: 12 }), async (statements) => {
        const [copy, source] = await drift(statements)
        expect(copy).toEqual(source)
      }),
      { numRuns: 40 },
    )
  }, 30_000)

  test.for(['ins', 'upd', 'del'])(
    'misses rows, and is seen to, without the %s trigger',
    async (suffix) => {
      const statements = [
        `INSERT INTO edge VALUES ('${String(owners[0])}', 'a', 1), ('${String(owners[0])}', 'b', 1)`,
        'UPDATE edge SET weight = 2',
        "DELETE FROM edge WHERE other = 'a'",
      ]
      const clear = 'DELETE FROM _cdc'
      const at = ['ins', 'upd', 'del'].indexOf(suffix)
      const source = await opened((trigger) => (trigger.name.endsWith(suffix) ? [] : [trigger]))
      for (const sql of statements.slice(0, at)) await source.run(sql)
      await source.run(clear)

      await source.run(String(statements[at]))

      expect(await source.run('SELECT * FROM _cdc')).toEqual([])
    },
  )

  test('captures what is of the innermost piece with a job, and nothing else', async () => {
    const database = await opened()
    await database.own({ lo: '0A1', hi: '0A2', state: 'serving' })
    await database.own({ lo: '0A1BB', hi: '0A1BC', state: 'migrating', job: 'j' })
    await database.own({ lo: '0B1', hi: '0B2', state: 'serving', job: 'reverse' })
    for (const key of ['0A1BA', '0A1BB', '0A1BC', '0B1BB']) {
      await database.run(`INSERT INTO edge VALUES ('${key}000000000000001', 'a', 1)`)
    }

    expect(await database.run('SELECT tbl, key, pk FROM _cdc ORDER BY seq')).toEqual([
      ['edge', '0A1BB000000000000001', '["0A1BB000000000000001","a"]'],
      ['edge', '0B1BB000000000000001', '["0B1BB000000000000001","a"]'],
    ])
  })

  test('spells bytes in hexadecimal digits, all of them', async () => {
    const database = await opened()
    const [first = ''] = owners
    for (const value of ["x''", "x'00'", "x'00ff61'"])
      await database.run(`INSERT INTO mark VALUES ('${first}', ${value}, 1)`)

    expect(await database.run('SELECT pk FROM _cdc ORDER BY seq')).toEqual(
      ['', '00', '00FF61'].map((digits) => [JSON.stringify([first, digits])]),
    )
  })

  test('is undone with the statement that failed', async () => {
    const database = await opened()
    const row = `('${String(ids[0])}', '${String(owners[0])}', 1)`
    await database.run(`INSERT INTO item (id, owner, rank) VALUES ${row}`)
    await database.run('DELETE FROM _cdc')

    await expect(database.run(`INSERT INTO item (id, owner, rank) VALUES ${row}`)).rejects.toThrow(
      'UNIQUE',
    )

    expect(await database.run('SELECT * FROM _cdc')).toEqual([])
  })
})
