import { type Client, createClient } from '@libsql/client'
import { devTokens, type Local, startLocal } from '@stoa/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { localProvider, migrate, type Migration, migrationsOf } from '../src/index.ts'
import { type Database, migrateAll } from '../src/migrate-all.ts'

let local: Local
const clients: Client[] = []

beforeAll(async () => {
  local = await startLocal({ redisEngine: 'in-process' })
})
afterAll(async () => {
  for (const client of clients) client.close()
  await local.close()
})

let last = 0

/** New databases, empty. */
async function databases(count: number): Promise<readonly Database[]> {
  const provider = localProvider(`http://127.0.0.1:${local.ports.libsql}`, devTokens.libsql)
  last += 1
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const name = `db-${last}-${index}`
      return { name, url: await provider.createDatabase(name) }
    }),
  )
}

async function newDatabase(): Promise<Database> {
  const [database] = await databases(1)
  if (database === undefined) throw new Error('there is no database')
  return database
}

function clientOf({ url }: Database, send?: typeof fetch): Client {
  const options = { url, authToken: devTokens.libsql }
  const client = createClient(send === undefined ? options : { ...options, fetch: send })
  clients.push(client)
  return client
}

/** The migrations of a keyspace, the ones that a test adds after them. */
async function scripts(
  keyspace: string,
  ...more: readonly string[]
): Promise<readonly Migration[]> {
  const [shared, ...own] = await migrationsOf(keyspace)
  if (shared === undefined) throw new Error('there are no shared tables')
  const added = more.map((sql, at) => ({ name: `9${at}.sql`, sql, hash: sql }))
  return [shared, ...own, ...added]
}

function run(list: readonly Database[], migrations: readonly Migration[], dryRun = false) {
  return migrateAll({
    keyspaces: { warehouse: list },
    token: devTokens.libsql,
    migrationsOf: async () => migrations,
    dryRun,
  })
}

async function serve(client: Client): Promise<void> {
  await client.batch(
    [
      "UPDATE _shard_meta SET incarnation = 'i'",
      "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES ('0A1', '0A2', 1, 'serving')",
    ],
    'write',
  )
}

const guard = (client: Client) =>
  client.execute("INSERT INTO _guard (key, epoch, incarnation) VALUES ('0A1', 1, 'i')")
const stock = (key: string) =>
  `INSERT INTO stock (product, on_hand, reserved, version) VALUES ('${key}BB000000000000001', 1, 0, 1)`

const whole = { outcome: 'migrated', isFenced: true, differences: [] }

describe('migrateAll', () => {
  test('brings every database of every keyspace to the same schema, fenced, and tells how it goes', async () => {
    const [one, other] = [await databases(3), await databases(2)]
    const seen: string[] = []

    const reports = await migrateAll({
      keyspaces: { warehouse: one, users: other },
      token: devTokens.libsql,
      migrationsOf: scripts,
      parallelism: 2,
      onProgress: (report, done, total) => seen.push(`${report.database} ${done} of ${total}`),
    })

    expect(reports.map(({ database }) => database)).toEqual(
      [...one, ...other].map(({ name }) => name),
    )
    for (const report of reports) expect(report).toMatchObject(whole)
    expect(seen).toHaveLength(5)
    expect(seen.at(-1)).toContain('5 of 5')
    const again = await run(one, await scripts('warehouse'))
    for (const report of again)
      expect(report).toMatchObject({ ...whole, outcome: 'current', migrations: [] })
  })

  test('puts up a fence that stands on the server: raw SQL cannot write what is not owned', async () => {
    const database = await newDatabase()
    await run([database], await scripts('warehouse'))
    const client = clientOf(database)
    await serve(client)

    await guard(client)
    await client.execute(stock('0A1'))
    await expect(client.execute(stock('0B1'))).rejects.toThrow(
      'SHARD_FENCED|0B1BB000000000000001|0|unknown|',
    )
    await client.execute("UPDATE _slot_owner SET state = 'frozen', epoch = 2")
    await expect(client.execute('DELETE FROM stock')).rejects.toThrow(
      'SHARD_FENCED|0A1BB000000000000001|2|frozen|',
    )
    await expect(guard(client)).rejects.toThrow('SHARD_FENCED|0A1|2|frozen|')
  })

  test('rebuilds a table as drizzle-kit does, rows of frozen slots and all, and fences it anew', async () => {
    const database = await newDatabase()
    const before = await scripts(
      'warehouse',
      'CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY, note TEXT) WITHOUT ROWID',
    )
    await run([database], before)
    const client = clientOf(database)
    await serve(client)
    await client.execute("INSERT INTO item VALUES ('0A1BB', NULL)")
    await client.execute("UPDATE _slot_owner SET state = 'frozen'")
    const rebuild = `PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE \`__new_item\` (\`id\` text PRIMARY KEY NOT NULL, \`note\` text NOT NULL);
--> statement-breakpoint
INSERT INTO \`__new_item\`("id", "note") SELECT "id", coalesce("note", 'none') FROM \`item\`;--> statement-breakpoint
DROP TABLE \`item\`;--> statement-breakpoint
ALTER TABLE \`__new_item\` RENAME TO \`item\`;--> statement-breakpoint
PRAGMA foreign_keys=ON;`

    const [report] = await run([database], [...before, { name: '91.sql', sql: rebuild, hash: 'r' }])

    expect(report).toMatchObject({ ...whole, migrations: ['91.sql'] })
    expect((await client.execute('SELECT * FROM item')).rows.map((row) => ({ ...row }))).toEqual([
      { id: '0A1BB', note: 'none' },
    ])
    await expect(client.execute('DELETE FROM item')).rejects.toThrow('|frozen|')
    await client.execute("UPDATE _slot_owner SET state = 'serving'")
    await guard(client)
  })

  test('says which database differs and how, and mends a broken fence', async () => {
    const [first, odd] = await databases(2)
    if (first === undefined || odd === undefined) throw new Error('there are no databases')
    const migrations = await scripts('warehouse')
    await run([first, odd], migrations)
    const client = clientOf(odd)
    await serve(client)
    await client.batch(
      ['CREATE TABLE stranger (a)', 'DROP TRIGGER fence_stock_upd', 'DROP INDEX inbox_age'],
      'write',
    )
    await expect(guard(client)).rejects.toThrow('|unfenced|')
    const differences = [
      { kind: 'missing', type: 'index', name: 'inbox_age' },
      { kind: 'foreign', type: 'table', name: 'stranger' },
    ]
    const fence = { kind: 'missing', type: 'trigger', name: 'fence_stock_upd' }

    const dry = await run([first, odd], migrations, true)
    const wet = await run([first, odd], migrations)

    expect(dry[0]).toMatchObject({ outcome: 'current', differences: [] })
    expect(dry[1]).toMatchObject({ outcome: 'pending', isFenced: false })
    expect(dry[1]?.differences).toHaveLength(3)
    expect(dry[1]?.differences).toEqual(expect.arrayContaining([...differences, fence]))
    expect(wet[1]).toMatchObject({
      outcome: 'migrated',
      isFenced: true,
      migrations: [],
      differences,
    })
    await guard(client)
  })

  test('writes nothing in a dry run', async () => {
    const database = await newDatabase()

    const [report] = await run([database], await scripts('warehouse'), true)

    expect(report).toMatchObject({ outcome: 'pending', isFenced: false })
    expect(report?.migrations).toContain('0000_shared.sql')
    expect((await clientOf(database).execute('SELECT * FROM sqlite_schema')).rows).toEqual([])
  })

  test('leaves the others of a keyspace as they are when the first fails, whole or not at all', async () => {
    const list = await databases(3)
    const [first] = list
    if (first === undefined) throw new Error('there is no database')
    const before = await scripts(
      'warehouse',
      'CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY, a TEXT) WITHOUT ROWID',
    )
    await run(list, before)
    const client = clientOf(first)
    await serve(client)
    await client.execute("INSERT INTO item VALUES ('0A1', 'x'), ('0A1BB', 'y')")
    const bad =
      'CREATE TABLE extra (id TEXT NOT NULL PRIMARY KEY); INSERT INTO extra SELECT NULL FROM item;'

    const reports = await run(list, [...before, { name: '91.sql', sql: bad, hash: 'bad' }])

    expect(reports.map(({ outcome }) => outcome)).toEqual(['failed', 'skipped', 'skipped'])
    expect(String(reports[0]?.error)).toContain('NOT NULL')
    const [now] = await run([first], before, true)
    expect(now).toMatchObject({ outcome: 'current', isFenced: true, differences: [] })
    await guard(client)
  })

  test('touches no database when a script does not run, or makes a table that cannot move', async () => {
    const database = await newDatabase()
    const list = [database]

    await expect(run(list, await scripts('warehouse', 'CREATE TABL broken (a)'))).rejects.toThrow(
      'syntax error',
    )
    await expect(
      run(
        list,
        await scripts(
          'warehouse',
          'CREATE TABLE person (id TEXT NOT NULL PRIMARY KEY, email TEXT UNIQUE)',
        ),
      ),
    ).rejects.toThrow('"person": UNIQUE (email) could join rows of two slots')

    expect((await clientOf(database).execute('SELECT * FROM sqlite_schema')).rows).toEqual([])
  })

  test('waits for no job: a database with rows on the move is refused as it is', async () => {
    const database = await newDatabase()
    const list = [database]
    const migrations = await scripts('warehouse')
    await run(list, migrations)
    const client = clientOf(database)
    await serve(client)
    await client.execute("UPDATE _slot_owner SET state = 'migrating', job = 'move-7'")
    const more = [
      ...migrations,
      { name: '90.sql', sql: 'ALTER TABLE stock ADD COLUMN more TEXT', hash: 'm' },
    ]

    const [refused] = await run(list, more)
    await client.execute('DROP TRIGGER fence_stock_ins')
    const [unmended] = await run(list, migrations)

    expect(refused).toMatchObject({
      outcome: 'failed',
      error: { name: 'ReshardingActiveError', job: 'move-7' },
    })
    expect(unmended).toMatchObject({ outcome: 'failed', error: { name: 'ReshardingActiveError' } })
    await client.execute('UPDATE _slot_owner SET job = NULL')
    expect(await run(list, more)).toMatchObject([{ ...whole, migrations: ['90.sql'] }])
  })

  test('keeps what refers to a table that is rebuilt', async () => {
    const database = await newDatabase()
    const list = [database]
    const before = await scripts(
      'warehouse',
      `CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY);
CREATE TABLE child (parent TEXT NOT NULL REFERENCES parent (id) ON DELETE CASCADE, k TEXT NOT NULL, PRIMARY KEY (parent, k));`,
    )
    await run(list, before)
    const client = clientOf(database)
    await serve(client)
    await client.batch(
      ["INSERT INTO parent VALUES ('0A1')", "INSERT INTO child VALUES ('0A1', 'k')"],
      'write',
    )
    const rebuild = `CREATE TABLE new_parent (id TEXT NOT NULL PRIMARY KEY, note TEXT); INSERT INTO new_parent (id) SELECT id FROM parent;
DROP TABLE parent; ALTER TABLE new_parent RENAME TO parent;`

    const reports = await run(list, [...before, { name: '91.sql', sql: rebuild, hash: 'r' }])
    const emptied = await run(list, [
      ...before,
      { name: '91.sql', sql: rebuild, hash: 'r' },
      { name: '92.sql', sql: 'DELETE FROM parent', hash: 'e' },
    ])

    expect(reports).toMatchObject([whole])
    expect((await client.execute('SELECT count(*) AS n FROM child')).rows[0]?.['n']).toBe(1)
    expect(String(emptied[0]?.error)).toContain('FOREIGN_KEY|child')
  })

  test('stops between two databases when it is told to, and goes on from there', async () => {
    const list = await databases(3)
    const migrations = await scripts('warehouse')
    const stop = new AbortController()

    const reports = await migrateAll({
      keyspaces: { warehouse: list },
      token: devTokens.libsql,
      migrationsOf: async () => migrations,
      onProgress: () => stop.abort(),
      signal: stop.signal,
    })

    expect(reports.map(({ outcome }) => outcome)).toEqual(['migrated', 'skipped', 'skipped'])
    expect((await run(list, migrations)).map(({ outcome }) => outcome)).toEqual([
      'current',
      'migrated',
      'migrated',
    ])
  })

  test('says which database it could not reach, and does the rest', async () => {
    const [good] = await databases(1)
    if (good === undefined) throw new Error('there is no database')
    const gone = { name: 'gone', url: 'http://127.0.0.1:1' }

    const reports = await run([good, gone], await scripts('warehouse'))

    expect(reports.map(({ outcome }) => outcome)).toEqual(['migrated', 'failed'])
    expect(reports[1]?.error).toBeInstanceOf(Error)
  })

  test('refuses to work on no database at a time', async () => {
    await expect(migrateAll({ keyspaces: {}, token: '', parallelism: 0 })).rejects.toThrow(
      RangeError,
    )
  })
})

describe('migrate', () => {
  /** Fails the request `at`, before it is sent or when its reply is on the way. */
  function failing(at: number, when: 'before' | 'after') {
    let sent = 0
    const send: typeof fetch = async (input, init) => {
      const isIt = sent === at
      sent += 1
      if (isIt && when === 'before') throw new Error('the machine died')
      const response = await fetch(input, init)
      if (isIt) throw new Error('the machine died')
      return response
    }
    return { send, isSpent: () => sent > at }
  }

  test.for(['before', 'after'] as const)(
    'is completed by the next run, wherever it died: each request, %s it takes effect',
    { timeout: 30_000 },
    async (when) => {
      const migrations = await scripts('stats', 'ALTER TABLE inbox ADD COLUMN more TEXT')
      const runs = async (at: number): Promise<boolean> => {
        const database = await newDatabase()
        const { send, isSpent } = failing(at, when)
        const died = await migrate(clientOf(database, send), {
          database: database.name,
          migrations,
        }).then(
          () => false,
          () => true,
        )

        await migrate(clientOf(database), { database: database.name, migrations })

        const [report] = await run([database], migrations, true)
        expect(report).toMatchObject({ outcome: 'current', isFenced: true, differences: [] })
        return died && isSpent()
      }
      let deaths = 0
      while (await runs(deaths)) deaths += 1

      expect(deaths).toBeGreaterThan(migrations.length)
    },
  )

  test('refuses a database that a newer version has migrated, and leaves its fence', async () => {
    const database = await newDatabase()
    const old = await scripts('warehouse')
    const next = await scripts(
      'warehouse',
      'CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID',
    )
    await run([database], next)

    const [report] = await run([database], old)

    expect(report).toMatchObject({ outcome: 'failed', error: { name: 'UnknownMigrationError' } })
    expect(await run([database], next, true)).toMatchObject([
      { outcome: 'current', isFenced: true },
    ])
  })

  test('run several times at once applies each migration once and leaves a whole fence', async () => {
    const database = await newDatabase()
    const migrations = await scripts('warehouse')

    const counts = await Promise.all(
      Array.from({ length: 4 }, () =>
        migrate(clientOf(database), { database: database.name, migrations }),
      ),
    )

    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(migrations.length)
    expect(await run([database], migrations, true)).toMatchObject([
      { outcome: 'current', isFenced: true },
    ])
  })
})
