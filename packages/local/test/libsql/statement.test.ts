import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { statementsOf } from '../../src/libsql/statement.ts'

const texts = (sql: string): readonly string[] =>
  statementsOf(sql).map((statement) => statement.sql)

const parametersOf = (sql: string): unknown => statementsOf(sql)[0]?.parameters
const kindOf = (sql: string): unknown => statementsOf(sql)[0]?.kind
const takesLock = (sql: string): unknown => statementsOf(sql)[0]?.takesWriteLock

test('splits a script at the semicolons between statements only', () => {
  expect(texts(`SELECT ';'; SELECT ";" /* ; */ -- ;\n; ;; SELECT [;], \`;\` ;`)).toEqual([
    `SELECT ';';`,
    `SELECT ";" /* ; */ -- ;\n;`,
    'SELECT [;], `;` ;',
  ])
})

test('keeps a trigger whole, whatever its body holds', () => {
  const trigger = `CREATE TRIGGER a AFTER INSERT ON t WHEN NEW.x BEGIN
    UPDATE t SET x = CASE WHEN x THEN 1 ELSE 2 END; SELECT 'END;'; END;`

  expect(texts(`SELECT 1; ${trigger} SELECT 2`)).toEqual(['SELECT 1;', trigger, 'SELECT 2'])
  expect(texts(`EXPLAIN QUERY PLAN ${trigger}`)).toHaveLength(1)
})

test('numbers parameters as SQLite does', () => {
  expect(parametersOf("SELECT ?, '?', :a, ?, :a, @a, $a::b(c)")).toEqual([
    undefined,
    ':a',
    undefined,
    '@a',
    '$a::b(c)',
  ])
  expect(parametersOf('SELECT ?3, ?, ?1')).toEqual(['?1', undefined, '?3', undefined])
  expect(parametersOf('SELECT :b, :a, ?1')).toEqual([':b', ':a'])
  expect(parametersOf('SELECT ?1, :b, ?2')).toEqual(['?1', ':b'])
  expect(parametersOf('SELECT ?999999999')).toEqual([])
})

test('tells reads, writes and schema changes apart, also behind WITH', () => {
  expect(kindOf('WITH a(b) AS (SELECT 1) SELECT * FROM a')).toBe('read')
  expect(kindOf('WITH a AS (SELECT (1)), b AS (DELETE) INSERT INTO t SELECT * FROM a')).toBe(
    'write',
  )
  expect(kindOf('REPLACE INTO t VALUES (1)')).toBe('write')
  expect(kindOf('EXPLAIN DELETE FROM t')).toBe('read')
  expect(kindOf('CREATE UNIQUE INDEX i ON t (x)')).toBe('ddl')
  expect(kindOf('ROLLBACK TO a')).toBe('release')
  expect(kindOf('ROLLBACK')).toBe('end')
})

test('knows which statements take the write lock', () => {
  expect(
    ['BEGIN IMMEDIATE', 'BEGIN EXCLUSIVE', 'DELETE FROM t', 'DROP TABLE t'].map(takesLock),
  ).toEqual([true, true, true, true])
  expect(
    ['BEGIN', 'BEGIN DEFERRED', 'SELECT 1', 'COMMIT', 'EXPLAIN DELETE FROM t'].map(takesLock),
  ).toEqual([false, false, false, false, false])
})

test('reads any text to its end, and never makes a statement of nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (noise) => {
      const pieces = texts(`SELECT ${noise}`)

      expect(pieces.every((piece) => piece.trim() !== '' && piece.trim() !== ';')).toBe(true)
    }),
  )
})

test('gives back the statements a script was joined from', () => {
  const literal = fc
    .string({ unit: fc.constantFrom('a', "'", ';', '-', '/', '*', '"', ' ', '\n', 'END') })
    .map((text) => `SELECT '${text.replaceAll("'", "''")}'`)
  fc.assert(
    fc.property(fc.array(literal), (statements) => {
      const script = statements.map((statement) => `${statement};`)

      expect(texts(script.join('\n-- ; \n'))).toEqual(script)
    }),
  )
})
