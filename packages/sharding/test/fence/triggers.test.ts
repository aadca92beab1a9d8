import { afterEach, describe, expect, test } from 'vitest'

import type { Trigger } from '../../src/fence/triggers.ts'
import { isWritable } from '../../src/index.ts'
import { type FencedDatabase, keyspaces, openFenced } from './databases.ts'
import { violationsOf } from './matrix.ts'

let open: FencedDatabase[] = []

async function opened(...what: Parameters<typeof openFenced>): Promise<FencedDatabase> {
  const database = await openFenced(...what)
  open.push(database)
  return database
}

afterEach(() => {
  for (const { client } of open) client.close()
  open = []
})

describe('the fence', () => {
  test.for(keyspaces)(
    'refuses every form of writing rows that are not owned, and no other, in every table of %s',
    async (keyspace) => {
      const database = await opened({ keyspace })
      const shared = new Set((await opened({ ddl: '' })).tables.map(({ name }) => name))
      const own = database.tables.filter(({ name }) => !shared.has(name))

      expect(own.length).toBeGreaterThan(0)
      expect(await violationsOf(database, own)).toEqual([])
    },
  )

  test('does so in the tables that every keyspace has', async () => {
    const database = await opened({ ddl: '' })

    expect(database.tables.length).toBeGreaterThan(7)
    expect(await violationsOf(database, database.tables)).toEqual([])
  })

  test('does so where bytes name a row, with a row number beside them or without', async () => {
    const database = await opened({
      ddl: `CREATE TABLE mark (slot TEXT NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (slot, id)) WITHOUT ROWID;
CREATE TABLE seal (n INTEGER PRIMARY KEY, owner TEXT NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (owner, id));`,
    })
    const own = database.tables.filter(({ name }) => name === 'mark' || name === 'seal')

    expect(own).toHaveLength(2)
    expect(await violationsOf(database, own)).toEqual([])
  })

  test.for(["'ab'", '171', '1.5', "CAST(x'ab' AS TEXT)"])(
    'refuses %s where bytes name a row, which would be captured by the name of another',
    async (value) => {
      const database = await opened({
        ddl: 'CREATE TABLE mark (slot TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (slot, id)) WITHOUT ROWID',
      })
      await database.own({ lo: '0A1', hi: '0A2', state: 'serving' })
      await database.run("INSERT INTO mark VALUES ('0A1', x'ab'), ('0A1', x'')")

      for (const verb of ['INSERT', 'INSERT OR IGNORE']) {
        const wrong = database.run(`${verb} INTO mark VALUES ('0A1', ${value})`)
        await expect(wrong).rejects.toThrow('SHARD_KEY_NOT_BYTES|mark')
      }
      await expect(database.run(`UPDATE mark SET id = ${value}`)).rejects.toThrow('SHARD_KEY')
      expect(await database.run('SELECT hex(id) FROM mark ORDER BY id')).toEqual([[''], ['AB']])
    },
  )

  test('judges a row by the innermost piece, whatever lies beside it', async () => {
    const database = await opened({
      ddl: 'CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID',
    })
    const pieces = [
      { lo: '0A1', hi: '0A2', state: 'serving' },
      { lo: '0A1BB', hi: '0A1BC', state: 'frozen' },
      { lo: '0A1BB5', hi: '0A1BB6', state: 'migrating' },
      { lo: '0A1BB55', hi: '0A1BB56', state: 'handed_off' },
      { lo: '0A2', hi: '0A3', state: 'importing' },
    ] as const
    for (const piece of pieces) await database.own(piece)
    const insert = (id: string) => database.run('INSERT INTO t VALUES (?)', id)

    for (const id of ['0A1', '0A1BA9', '0A1BC', '0A1ZZ', '0A1BB5', '0A1BB54', '0A1BB56', '0A1~']) {
      await expect(insert(id)).resolves.toEqual([])
    }
    for (const id of ['0A1BB', '0A1BB4', '0A1BB6', '0A1BB'])
      await expect(insert(id)).rejects.toThrow('|frozen|')
    await expect(insert('0A1BB55')).rejects.toThrow('SHARD_FENCED|0A1BB55|3|handed_off|b')
    await expect(insert('0A2')).rejects.toThrow('|importing|')
    for (const id of ['', '0', '0A', '0A0', '09Z', '0A3', 'ZZZ', 'x']) {
      await expect(insert(id)).rejects.toThrow(`SHARD_FENCED|${id}|0|unknown|`)
    }
  })

  test('stops what a foreign key would carry into rows that are not owned', async () => {
    const database = await opened({
      ddl: `CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY, note TEXT) WITHOUT ROWID;
CREATE TABLE child (parent TEXT NOT NULL REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE, n INTEGER, PRIMARY KEY (parent, n)) WITHOUT ROWID;`,
    })
    await database.move("INSERT INTO parent VALUES ('0A1BBB', 'x')")
    await database.move("INSERT INTO child VALUES ('0A1BBB', 1)")
    await database.own({ lo: '0A1', hi: '0A2', state: 'frozen' })
    await database.client.execute('PRAGMA foreign_keys = ON')
    // Else the parent's own trigger would stop it first.
    await database.client.execute('DROP TRIGGER fence_parent_del')

    await expect(database.run("DELETE FROM parent WHERE id = '0A1BBB'")).rejects.toThrow('|frozen|')
    expect(await database.run('SELECT * FROM child')).toEqual([['0A1BBB', 1]])
  })

  test('keeps rows of others from REPLACE, by a unique column or by the row number', async () => {
    const database = await opened({ ddl: '' })
    await database.own({ lo: '0A1', hi: '0A2', state: 'frozen' })
    await database.own({ lo: '0B1', hi: '0B2', state: 'serving' })
    const event = (n: number, id: string, okey: string) =>
      `INTO outbox (n, id, topic, type, okey, seq, payload, created_at, next_at) VALUES (${n}, '${id}', 't', 't', '${okey}', 1, '{}', 1, 1)`
    const [theirs, ours] = ['0A1BB000000000000001', '0B1BB000000000000002']
    await database.move(`INSERT ${event(1, theirs, theirs)}`)
    await database.run(`INSERT ${event(2, ours, ours)}`)

    const attempts = [
      `REPLACE ${event(3, theirs, ours)}`,
      `REPLACE ${event(1, ours, ours)}`,
      `UPDATE OR REPLACE outbox SET id = '${theirs}' WHERE n = 2`,
      'UPDATE OR REPLACE outbox SET n = 1 WHERE n = 2',
      'UPDATE OR REPLACE outbox SET rowid = 1 WHERE n = 2',
      'UPDATE OR REPLACE outbox SET _rowid_ = 1 WHERE n = 2',
      'UPDATE OR REPLACE outbox SET oid = 1 WHERE n = 2',
    ]

    for (const sql of attempts) await expect(database.run(sql)).rejects.toThrow('CHECK constraint')
    expect(await database.run('SELECT n, id FROM outbox ORDER BY n')).toEqual([
      [1, theirs],
      [2, ours],
    ])
  })

  test('lets a sweep of a whole shard go on beside slots of every state', async () => {
    const database = await opened({ ddl: '' })
    const states = ['serving', 'migrating', 'importing', 'frozen', 'handed_off'] as const
    for (const [at, state] of states.entries()) {
      const slot = `0A${at}`
      await database.own({ lo: slot, hi: `0A${at + 1}`, state })
      await database.move(
        "INSERT INTO inbox VALUES (?, 'c', ?, 1)",
        slot,
        `${slot}BB000000000000001`,
      )
    }
    const sweep = 'DELETE FROM inbox WHERE at < 5'

    await expect(database.run(sweep)).rejects.toThrow('SHARD_FENCED')
    await database.run(`${sweep} AND ${isWritable('slot')}`)

    expect(await database.run('SELECT slot FROM inbox')).toEqual([['0A2'], ['0A3'], ['0A4']])
  })

  test('lets the mover pass in every state, in every form, and captures nothing of it', async () => {
    const database = await opened({ ddl: '' })
    await database.own({ lo: '0A1', hi: '0A2', state: 'importing', job: 'j' })
    const id = '0A1BB000000000000001'

    for (const verb of ['INSERT', 'REPLACE', 'INSERT OR IGNORE'])
      await database.move(`${verb} INTO inbox VALUES ('0A1', 'c', '${id}', 1)`)
    await database.move('UPDATE inbox SET at = 2')
    await database.move('DELETE FROM inbox')

    expect(await database.run('SELECT * FROM _cdc')).toEqual([])
    await expect(database.run(`INSERT INTO inbox VALUES ('0A1', 'c', '${id}', 1)`)).rejects.toThrow(
      'SHARD_FENCED',
    )
  })
})

type Mutant = { readonly name: string; readonly mutate: (trigger: Trigger) => readonly Trigger[] }

const dropping = (suffix: string): Mutant => ({
  name: `no ${suffix} trigger`,
  mutate: (trigger) => (trigger.name.endsWith(`_${suffix}`) ? [] : [trigger]),
})
const rewriting = (name: string, from: string | RegExp, to: string): Mutant => ({
  name,
  mutate: ({ name: own, sql }) => [{ name: own, sql: sql.replaceAll(from, to) }],
})

const mutants: readonly Mutant[] = [
  { name: 'no fence at all', mutate: () => [] },
  dropping('ins'),
  dropping('upd'),
  dropping('del'),
  dropping('key'),
  rewriting(
    'a frozen slot may be written',
    "IN ('serving', 'migrating')",
    "IN ('serving', 'migrating', 'frozen')",
  ),
  rewriting(
    'an importing slot may be written',
    "IN ('serving', 'migrating')",
    "IN ('serving', 'migrating', 'importing')",
  ),
  rewriting('a migrating slot may not be written', "IN ('serving', 'migrating')", "IN ('serving')"),
  rewriting('the outermost piece decides', 'max(lo)', 'min(lo)'),
  rewriting('a piece has no end', / AND (?:NEW|OLD)\."\w+" < hi/g, ''),
  rewriting(
    'a slot without a row may be written',
    'CASE WHEN state',
    'CASE WHEN state IS NULL THEN 0 WHEN state',
  ),
  rewriting('OR REPLACE is not refused', /INSERT OR IGNORE INTO _fence \(id\) VALUES \(0\);/g, ''),
  rewriting('a key may change', /SELECT RAISE\(ABORT/g, "SELECT nullif('x'"),
  rewriting('the mover has no pass', 'WHEN (SELECT mover FROM _fence) IS NULL', ''),
]

describe('the matrix of forms and states', () => {
  test('catches a fence that lacks any one safeguard', async () => {
    const caught = new Map<string, number>()
    for (const { name, mutate } of mutants) {
      const database = await opened({ keyspace: 'warehouse' }, mutate)
      const tables = database.tables.filter((table) => table.name === 'outbox')
      const found = await violationsOf(database, tables).catch((error: unknown) => [String(error)])
      caught.set(name, found.length)
    }

    process.stdout.write(
      `${[...caught].map(([name, count]) => `  ${String(count).padStart(4)} violations: ${name}`).join('\n')}\n`,
    )
    expect([...caught].filter(([, count]) => count === 0)).toEqual([])
  }, 30_000)
})
