/* oxlint-disable max-lines-per-function -- a suite is a list of promises, not a procedure */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { rootCall } from '../call.ts'
import { isFault } from '../fault.ts'
import { slotText } from '../slot.ts'
import type { SqlShard, SqlValue, Statement } from '../sql.ts'

/** A port under test; `close` gives back what `make` took. */
export type SqlFixture = { readonly port: SqlShard; readonly close: () => Promise<void> }

const call = rootCall('sql-contract')

function insert(id: string, n: SqlValue): Statement {
  return { sql: 'INSERT INTO one (id, n) VALUES (?, ?)', args: [id, n] }
}

/**
 * What every {@link SqlShard} promises. `make` opens an empty database.
 *
 * What it does without an answer (refused, lost, cut off) belongs to each adapter's own tests: the ways
 * to bring that about differ.
 */
export function sqlContract(name: string, make: () => Promise<SqlFixture>): void {
  describe(`${name} keeps the SQL contract: it`, () => {
    let fixture: SqlFixture
    beforeAll(async () => {
      fixture = await make()
      await write(
        'CREATE TABLE one (id TEXT PRIMARY KEY, n INTEGER NOT NULL, CONSTRAINT positive CHECK (n >= 0)) WITHOUT ROWID',
        'CREATE TABLE bare (value)',
        `CREATE TRIGGER no_deletes BEFORE DELETE ON one BEGIN SELECT RAISE(ABORT, 'rows of one stay'); END`,
      )
    })
    afterAll(() => fixture.close())

    const run = (statements: readonly Statement[]) => fixture.port.batch(statements, 'write', call)
    const write = (...texts: string[]) => run(texts.map((sql) => ({ sql, args: [] })))
    const read = async (sql: string, ...args: SqlValue[]) => {
      const [rows] = await fixture.port.batch([{ sql, args }], 'read', call)
      return rows?.rows ?? []
    }

    test('gives columns, rows and rows affected for each statement', async () => {
      const answers = await run([
        insert('each-1', 1),
        insert('each-2', 2),
        { sql: "UPDATE one SET n = n + 1 WHERE id LIKE 'each-%'", args: [] },
        { sql: "SELECT id, n AS amount FROM one WHERE id LIKE 'each-%' ORDER BY id", args: [] },
      ])

      expect(answers.map((answer) => answer.rowsAffected).slice(0, 3)).toEqual([1, 1, 2])
      expect(answers[3]).toMatchObject({
        columns: ['id', 'amount'],
        rows: [
          ['each-1', 2],
          ['each-2', 3],
        ],
      })
    })

    test('gives the rows of RETURNING', async () => {
      const [answer] = await run([
        { sql: 'INSERT INTO one VALUES (?, ?) RETURNING n', args: ['ret', 7] },
      ])

      expect(answer?.rows).toEqual([[7]])
    })

    test('does nothing for an empty batch', async () => {
      await expect(run([])).resolves.toEqual([])
      await expect(fixture.port.batch([], 'read', call)).resolves.toEqual([])
    })

    test('writes all statements or none', async () => {
      await run([insert('none', 1)])

      await expect(
        run([insert('none-2', 1), insert('none', 2), insert('none-3', 3)]),
      ).rejects.toMatchObject({
        code: 'sql_constraint',
        kind: 'already_exists',
        type: 'unique',
        constraint: 'one.id',
        statement: 1,
      })
      expect(await read("SELECT id, n FROM one WHERE id LIKE 'none%'")).toEqual([['none', 1]])
    })

    test.for([
      { rule: 'not_null', constraint: 'one.n', statement: insert('broken', null) },
      { rule: 'check', constraint: 'positive', statement: insert('broken', -1) },
      {
        rule: 'trigger',
        constraint: 'rows of one stay',
        statement: { sql: 'DELETE FROM one', args: [] },
      },
    ])('names the broken rule: $rule', async ({ rule, constraint, statement }) => {
      await expect(run([insert(`named-${rule}`, 1), statement])).rejects.toMatchObject({
        code: 'sql_constraint',
        type: rule,
        constraint,
        statement: 1,
      })
    })

    test('finds the fence in an error, whatever the code of the error', async () => {
      const token = `SHARD_FENCED|${slotText(77)}|9|handed_off|orders-02`

      await expect(
        run([insert('fenced', 1), { sql: "SELECT json_extract('{}', ?)", args: [token] }]),
      ).rejects.toMatchObject({
        code: 'shard_fenced',
        slot: 77,
        epoch: 9,
        state: 'handed_off',
        peer: 'orders-02',
      })
      expect(await read("SELECT 1 FROM one WHERE id = 'fenced'")).toEqual([])
    })

    test('leaves a mistake in the SQL to fly as a bug', async () => {
      const error: unknown = await write('SELEKT 1').catch((thrown: unknown) => thrown)

      expect(error).toBeInstanceOf(Error)
      expect(isFault(error)).toBe(false)
    })

    test.for<[string, SqlValue, string]>([
      ['null', null, 'null'],
      ['a whole number as INTEGER', 5, 'integer'],
      ['a fraction', 0.1, 'real'],
      ['the largest exact number', Number.MAX_SAFE_INTEGER, 'integer'],
      ['the smallest 64-bit integer', -(2n ** 63n), 'integer'],
      ['the largest 64-bit integer', 2n ** 63n - 1n, 'integer'],
      ['2^53 + 1', 2n ** 53n + 1n, 'integer'],
      ['an empty text', '', 'text'],
      ['text beyond ASCII', 'Στοά 🏛 e\u0301', 'text'],
      ['a blob', Uint8Array.of(0, 1, 127, 128, 255), 'blob'],
      ['an empty blob', new Uint8Array(), 'blob'],
    ])('keeps %s exactly', async ([, value, type]) => {
      const [, answer] = await run([
        { sql: 'INSERT INTO bare VALUES (?)', args: [value] },
        {
          sql: 'SELECT value, typeof(value) FROM bare WHERE rowid = last_insert_rowid()',
          args: [],
        },
      ])

      expect(answer?.rows).toEqual([[value, type]])
    })

    test('answers with a number when a bigint is exact as one', async () => {
      expect(await read('SELECT ?, ?', 12n, 2n ** 60n)).toEqual([[12, 2n ** 60n]])
    })

    test('sees in a read what a finished write wrote', async () => {
      await run([insert('seen', 1)])

      expect(await read("SELECT n FROM one WHERE id = 'seen'")).toEqual([[1]])
    })

    test('refuses to write in a read', async () => {
      await expect(
        fixture.port.batch([insert('smuggled', 1)], 'read', call),
      ).rejects.toBeInstanceOf(TypeError)
      expect(await read("SELECT n FROM one WHERE id = 'smuggled'")).toEqual([])
    })

    test('loses no update when many write at once', async () => {
      await run([insert('counter', 0)])

      const writes = Array.from({ length: 20 }, () =>
        run([
          { sql: "SELECT n FROM one WHERE id = 'counter'", args: [] },
          { sql: "UPDATE one SET n = n + 1 WHERE id = 'counter'", args: [] },
        ]),
      )
      const settled = await Promise.allSettled(writes)

      const done = settled.filter((one) => one.status === 'fulfilled').length
      const refused = settled.filter((one) => one.status === 'rejected')
      expect(refused.every(({ reason }) => isFault(reason) && reason.code === 'shard_busy')).toBe(
        true,
      )
      expect(await read("SELECT n FROM one WHERE id = 'counter'")).toEqual([[done]])
      expect(done).toBeGreaterThan(0)
    })

    test('sends nothing for a call that is over, and throws its reason', async () => {
      const over = { ...call, signal: AbortSignal.abort(new Error('hung up')) }

      await expect(fixture.port.batch([insert('late', 1)], 'write', over)).rejects.toThrow(
        'hung up',
      )
      expect(await read("SELECT 1 FROM one WHERE id = 'late'")).toEqual([])
    })
  })
}
