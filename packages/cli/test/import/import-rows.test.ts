import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { parseId, prefixOfText, slotOfText, slotText } from '@stoa/kernel'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { importRows } from '../../src/import/import-rows.ts'
import type { BadLine, ImportOptions, ImportProgress } from '../../src/import/options.ts'
import { openTown, type Town } from './harness.ts'

let town: Town

beforeAll(async () => {
  town = await openTown()
}, 60_000)
afterAll(() => town.close())
afterEach(() => town.each('DELETE FROM person; DELETE FROM word; DELETE FROM _import;'))

/** Starts two threads at least, which load the program each. */
const patience = { timeout: 60_000 }

type Given = Partial<ImportOptions> & Pick<ImportOptions, 'source'>

function run({ target, ...given }: Given) {
  return importRows({
    target: { ...town.target, ...target },
    key: { idFrom: ['nr'] },
    stateFolder: path.join(town.folder, 'state'),
    // A thread takes most of a second to begin.
    threads: 1,
    ...given,
  })
}

async function csv(text: string | Uint8Array): Promise<ImportOptions['source']> {
  return { kind: 'csv', file: await town.file(`${crypto.randomUUID()}.csv`, text) }
}

async function ndjson(text: string): Promise<ImportOptions['source']> {
  return { kind: 'ndjson', file: await town.file(`${crypto.randomUUID()}.ndjson`, text) }
}

async function people(columns = 'name, age, score') {
  const rows = await town.rows(`SELECT ${columns} FROM person`)
  return rows
    .map((row) => Object.values(row))
    .toSorted((one, other) => (String(one) < String(other) ? -1 : 1))
}

async function errorsOf(file: string | undefined): Promise<readonly BadLine[]> {
  const text = await readFile(file ?? '', 'utf8')
  const lines = text.trimEnd().split('\n')
  return lines
    .map((line) => JSON.parse(line) as BadLine)
    .toSorted((one, other) => one.line - other.line)
}

describe('importRows', () => {
  test('puts each row of a CSV file where its key says, once', patience, async () => {
    const source = await csv('nr,name,age,score\n1,Ann,30,1.5\n2,Bob,,2\n')

    const report = await run({ source, verify: true })
    const again = await run({ source })
    const anew = await run({ source, resume: false })

    expect(report).toMatchObject({ finished: true, rows: 2, inserted: 2, rejected: 0, resumed: 0 })
    expect(report.verification).toMatchObject({ ok: true, rows: 2, missing: 0, extra: 0 })
    expect(again).toMatchObject({ job: report.job, inserted: 2, resumed: 2 })
    expect(anew).toMatchObject({ inserted: 0, existing: 2, resumed: 0 })
    expect(await people()).toEqual([
      ['Ann', 30, 1.5],
      ['Bob', null, 2],
    ])
    const [row] = await town.rows("SELECT id, state FROM person WHERE name = 'Ann'")
    expect(parseId(String(row?.['id'])).startsWith(prefixOfText('1'))).toBe(true)
    expect(row?.['state']).toBe('new')
  })

  test(
    'reads what CSV may hold: quotes, line ends, commas, a byte order mark',
    patience,
    async () => {
      const text =
        '\ufeffnr;name;state\r\n1;"a ""b""";"x;y"\r\n\r\n2;"two\r\nlines";""\r\n"3";ü€😀;last'
      const file = await town.file('edge.csv', text)

      const report = await run({ source: { kind: 'csv', file, delimiter: ';' }, verify: true })

      expect(report).toMatchObject({ rows: 3, inserted: 3, verification: { ok: true } })
      expect(await people('name, state')).toEqual([
        ['a "b"', 'x;y'],
        ['two\r\nlines', ''],
        ['ü€😀', 'last'],
      ])
    },
  )

  test('reports each bad line by its number, and takes the others', patience, async () => {
    const bytes = Buffer.concat([
      Buffer.from(
        'nr,name,age\n1,good,1\n2,short\n3,"open,3\n4,good,x\n5,,5\n6,"multi\nline",6\n7,',
      ),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(',7\n8,old,500\n1,good,1\n1,other,1\n9,5" disk,9\n'),
    ])

    const report = await run({ source: await csv(bytes), verify: true })

    expect(report).toMatchObject({ rows: 11, inserted: 2, existing: 1, rejected: 8 })
    expect(report.verification).toMatchObject({ ok: true, rows: 2, extra: 0 })
    const errors = await errorsOf(report.errorFile)
    expect(errors.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '3 it has 2 columns, not 3',
      '4 text follows a closing quote',
      '5 age: "x" is not an integer',
      '6 name is missing',
      '9 it is not UTF-8',
      '10 check: age < 200',
      '12 conflict: line 2 has the same key and other content',
      expect.stringMatching(/^13 Invalid Opening Quote/),
    ])
    expect(errors[3]?.text).toBe('5,,5')
    expect(report.firstErrors).toEqual(errors)
    expect(await people('name')).toEqual([['good'], ['multi\nline']])
  })

  test('reads NDJSON whose records have each their own fields', patience, async () => {
    const source = await ndjson(
      [
        '{"nr":1,"name":"Ann","age":30,"photo":"aGk=","extra":{"a":1}}',
        '{"nr":"2","name":"Bob","state":"old"}',
        '',
        '{"nr":3,"name":"Eve","agee":4}',
        '{"nr":4}',
        '[1]',
        '{"nr":5,"name":"x"',
        '{"nr":12345678901234567890,"name":"Big"}',
        '{"name":"nobody"}',
        '{"nr":6,"name":"toString","__proto__":{}}',
      ].join('\n'),
    )

    const report = await run({ source, ignore: ['extra'], verify: true })

    expect(report).toMatchObject({ rows: 9, inserted: 3, rejected: 6, verification: { ok: true } })
    expect(report.firstErrors.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '4 no column takes "agee"',
      '5 name is missing',
      '6 it is no JSON object',
      expect.stringMatching(/^7 /),
      '9 id is missing',
      '10 no column takes "__proto__"',
    ])
    const rows = await town.rows('SELECT name, state, photo FROM person ORDER BY name')
    expect(rows.map(({ name, state }) => [name, state]).toSorted()).toEqual([
      ['Ann', 'new'],
      ['Big', 'new'],
      ['Bob', 'old'],
    ])
    const [ann] = await town.rows("SELECT hex(photo) AS photo FROM person WHERE name = 'Ann'")
    expect(ann).toEqual({ photo: '6869' })
    const [big] = await town.rows("SELECT id FROM person WHERE name = 'Big'")
    expect(String(big?.['id']).startsWith(prefixOfText('12345678901234567890'))).toBe(true)
  })

  test.each([
    [
      'a row number',
      'CREATE TABLE old (nr INTEGER PRIMARY KEY, name TEXT, score REAL, photo BLOB)',
    ],
    ['no key at all', 'CREATE TABLE old (nr INTEGER, name TEXT, score REAL, photo BLOB)'],
    [
      'a key of two columns',
      'CREATE TABLE old (nr INTEGER, name TEXT, score REAL, photo BLOB, PRIMARY KEY (name, nr)) WITHOUT ROWID',
    ],
  ])('reads a SQLite file whose table has %s', patience, async (_kind, ddl) => {
    const url = `file:${path.join(town.folder, `${crypto.randomUUID()}.db`)}`
    const client = createClient({ url })
    await client.execute(ddl)
    await client.execute(
      `INSERT INTO old SELECT value, 'name ' || (value % 7), value / 3.0, x'00ff'
FROM generate_series(1, 2500)`.replace(
        'generate_series(1, 2500)',
        `json_each('[${Array.from({ length: 2500 }, (_, at) => at + 1).join()}]')`,
      ),
    )
    client.close()

    const report = await run({
      source: { kind: 'table', url, table: 'old' },
      verify: true,
      batchRows: 400,
    })

    expect(report).toMatchObject({
      rows: 2500,
      inserted: 2500,
      verification: { ok: true, rows: 2500 },
    })
    const sums = await town.rows('SELECT count(*) AS n, sum(length(photo)) AS bytes FROM person')
    expect(sums.reduce((sum, { n }) => sum + Number(n), 0)).toBe(2500)
    expect(sums.reduce((sum, { bytes }) => sum + Number(bytes), 0)).toBe(5000)
  })

  test('reads a table over HTTP, renames, and makes keys that a parent has', patience, async () => {
    const url = await town.provider.createDatabase(`old-${crypto.randomUUID().slice(0, 8)}`)
    const { token } = town.target
    const client = createClient({ url, authToken: token })
    await client.batch(
      [
        'CREATE TABLE words (word TEXT PRIMARY KEY NOT NULL, used INTEGER, note TEXT)',
        "INSERT INTO words VALUES ('agora', 3, NULL), ('stoa', 5, 'x')",
      ],
      'write',
    )
    client.close()

    const report = await run({
      source: { kind: 'table', url, token, table: 'words' },
      target: { ...town.target, table: 'word' },
      key: { slotFrom: ['word'] },
      columns: { text: { column: 'word' }, uses: { column: 'used' } },
      ignore: ['note'],
      verify: true,
    })

    expect(report).toMatchObject({ inserted: 2, verification: { ok: true } })
    const rows = await town.rows('SELECT slot, text, uses FROM word')
    expect(rows).toContainEqual({ slot: slotText(slotOfText('stoa')), text: 'stoa', uses: 5 })
  })

  test('takes ids that rows have, and refuses what is none', patience, async () => {
    const id = '0001000000000000000A'
    const source = await csv(`id,name\n${id},Ann\nabc,Bob\n`)

    const report = await importRows({
      source,
      target: town.target,
      stateFolder: path.join(town.folder, 'state'),
    })

    expect(report).toMatchObject({ inserted: 1, rejected: 1 })
    expect(report.firstErrors[0]?.reason).toBe('"abc" is no id')
    expect(await people('id')).toEqual([[id]])
  })

  test('leaves other content as it is, and says so', patience, async () => {
    await run({ source: await csv('nr,name\n1,Ann\n2,Bob\n') })
    const report = await run({ source: await csv('nr,name\n1,Anna\n2,Bob\n3,Eve\n'), verify: true })

    expect(report).toMatchObject({ inserted: 1, existing: 1, rejected: 1 })
    expect(report.firstErrors).toEqual([
      {
        line: 2,
        reason: 'conflict: a row with this key and other content is there',
        text: '1,Anna',
      },
    ])
    expect(report.verification).toMatchObject({ ok: true, rows: 2, extra: 1 })
    expect(await people('name')).toEqual([['Ann'], ['Bob'], ['Eve']])
  })

  test('finds a row that is lost, changed or foreign when it verifies', patience, async () => {
    const lines = Array.from({ length: 300 }, (_, at) => `${at},name ${at}`)
    const source = await csv(`nr,name\n${lines.join('\n')}\n${lines[0]}\n`)
    await run({ source })
    await town.each("DELETE FROM person WHERE name = 'name 7'")
    await town.each("UPDATE person SET name = 'name 9' WHERE name = 'name 8'")
    await run({ source: await csv('nr,name\nforeign,Bob\n') })

    const { verification } = await run({ source, verify: true })

    expect(verification).toMatchObject({ ok: false, rows: 300, missing: 1, different: 1, extra: 1 })
    expect(verification?.examples.length).toBe(2)
  })

  test('in a dry run writes nothing, and says what would be', patience, async () => {
    const source = await csv('nr,name,age\n1,Ann,1\n2,Bob,x\n3,Eve,3\n')

    const report = await run({
      source,
      dryRun: true,
      stateFolder: path.join(town.folder, 'dry'),
    })

    expect(report).toMatchObject({ rows: 3, inserted: 0, rejected: 1, finished: true })
    expect(report.firstErrors).toMatchObject([{ line: 3 }])
    expect(Object.values(report.shards).reduce((sum, count) => sum + count, 0)).toBe(2)
    // A row and its entry in the index of ids.
    expect(report.billedWrites).toBe(4)
    expect(existsSync(path.join(town.folder, 'dry'))).toBe(false)
    expect(await town.rows('SELECT job FROM _import')).toEqual([])
    expect(await people()).toEqual([])
  })

  test('stops when it is told to, and goes on where it was', patience, async () => {
    const lines = Array.from({ length: 5_000 }, (_, at) => `${at},name ${at}`)
    const source = await csv(`nr,name\n${lines.join('\n')}\n`)
    const stop = new AbortController()
    const seen: ImportProgress[] = []

    const first = await run({
      source,
      batchRows: 100,
      signal: stop.signal,
      onProgress: (progress) => {
        seen.push(progress)
        if (progress.rows >= 500) stop.abort()
      },
    })
    const second = await run({ source, batchRows: 100, verify: true })

    expect(first.finished).toBe(false)
    expect(first.rows).toBeLessThan(2_000)
    expect(seen.map(({ part }) => part)).toEqual(
      seen.map(({ part }) => part).toSorted((a, b) => a - b),
    )
    expect(second).toMatchObject({ finished: true, resumed: first.rows, inserted: 5_000 })
    expect(second.verification).toMatchObject({ ok: true, rows: 5_000 })
  })

  test('brings in a hundred thousand rows', { timeout: 120_000 }, async () => {
    const lines = Array.from({ length: 100_000 }, (_, at) => `${at},name ${at},${at % 100}`)
    const source = await csv(`nr,name,age\n${lines.join('\n')}\n`)

    const report = await run({ source, verify: true, batchRows: 5_000, threads: 2 })

    expect(report).toMatchObject({ inserted: 100_000, verification: { ok: true, rows: 100_000 } })
    const counts = await town.rows('SELECT count(*) AS n, sum(age) AS ages FROM person')
    expect(counts.reduce((sum, { n }) => sum + Number(n), 0)).toBe(100_000)
    expect(counts.reduce((sum, { ages }) => sum + Number(ages), 0)).toBe(4_950_000)
  })
})

describe('importRows, given what cannot be,', () => {
  const good = 'nr,name\n1,Ann\n'
  const table = { kind: 'table', url: 'file:/nowhere/at/all.db', table: 't' } as const
  type Case = readonly [string, (source: ImportOptions['source']) => Given, string, RegExp]
  const cases: readonly Case[] = [
    [
      'a keyspace',
      (source) => ({ source, target: { ...town.target, keyspace: 'none' } }),
      'import_target',
      /people/,
    ],
    [
      'a table',
      (source) => ({ source, target: { ...town.target, table: 'none' } }),
      'import_target',
      /people-\d/,
    ],
    [
      'a local table',
      (source) => ({ source, target: { ...town.target, table: '_cdc' } }),
      'import_target',
      /own/,
    ],
    [
      'a token',
      (source) => ({ source, target: { ...town.target, token: 'wrong' } }),
      'shard_unavailable',
      /unauthorized/,
    ],
    [
      'an address',
      (source) => ({ source, target: { ...town.target, metaUrl: 'http://127.0.0.1:1' } }),
      'shard_unavailable',
      /network/,
    ],
    [
      'a column',
      (source) => ({ source, columns: { nam: { column: 'name' } } }),
      'import_mapping',
      /nam/,
    ],
    [
      'a source column',
      (source) => ({ source, key: { idFrom: ['no'] } }),
      'import_mapping',
      /"no"/,
    ],
    [
      'a column for everything',
      (source) => ({ source, key: { column: 'nr' }, columns: { name: { value: 'x' } } }),
      'import_mapping',
      /place source column "name"/,
    ],
    ['a number of threads', (source) => ({ source, threads: 0 }), 'import_mapping', /threads/],
    ['a file', () => ({ source: { kind: 'csv', file: '/nowhere' } }), 'import_source', /nowhere/],
    ['a database file', () => ({ source: table }), 'import_source', /no such file/],
  ]

  test.each(cases)(
    'refuses unknown or wrong: %s',
    patience,
    async (_what, given, code, message) => {
      const failure = run(given(await csv(good)))

      await expect(failure).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      })
      expect(await town.rows('SELECT job FROM _import')).toEqual([])
    },
  )

  test.each([
    ['nr,nr\n1,2\n', /"nr"/],
    ['', /no header/],
    ['\u00ff\u00fen', /UTF-8/],
    ['nr,state\n1,x\n', /person\.name/],
  ])('refuses a file that begins with %o', patience, async (text, message) => {
    await expect(run({ source: await csv(Buffer.from(text, 'latin1')) })).rejects.toThrow(message)
    expect(await readdir(town.folder)).not.toContain('nothing')
  })

  test('refuses a table that the source has not', patience, async () => {
    const url = `file:${path.join(town.folder, 'empty.db')}`
    const client = createClient({ url })
    await client.execute('CREATE VIEW v AS SELECT 1')
    client.close()

    for (const name of ['none', 'v'])
      await expect(run({ source: { kind: 'table', url, table: name } })).rejects.toMatchObject({
        code: 'import_source',
      })
  })
})
