import { createClient } from '@libsql/client'
import type { Client, InValue } from '@libsql/client'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { close, execute, openHarness, pipeline } from './harness.ts'
import type { Harness } from './harness.ts'

let harness: Harness
let client: Client

beforeAll(async () => {
  harness = await openHarness({ maxThreads: 1 })
  client = createClient({ url: harness.origin, intMode: 'bigint' })
  await client.execute('CREATE TABLE v (id INTEGER PRIMARY KEY, x)')
})
afterAll(() => harness.close())

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
// The addon reads text only up to its first NUL.
const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'))
const value = fc.oneof(
  fc.constant(null),
  int64,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  text,
  fc.uint8Array({ maxLength: 300 }),
)

function typeOf(given: unknown): string {
  if (given === null) return 'null'
  if (typeof given === 'bigint') return 'integer'
  if (typeof given === 'number') return 'real'
  return typeof given === 'string' ? 'text' : 'blob'
}

test('gives back every value exactly as it came, through a table and straight', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
      const marks = values.map(() => '(?)').join()
      const args: InValue[] = values
      const [, , inserted, stored, straight] = await client.batch(
        [
          'DELETE FROM v',
          'SELECT 1',
          { sql: `INSERT INTO v (x) VALUES ${marks} RETURNING typeof(x)`, args },
          'SELECT x FROM v ORDER BY id',
          { sql: `SELECT ${values.map(() => '?').join()}`, args },
        ],
        'write',
      )

      expect(inserted?.rows.map((row) => row[0])).toEqual(values.map(typeOf))
      expect(stored?.rows.map((row) => plain(row[0]))).toEqual(values)
      expect(values.map((_, i) => plain(straight?.rows[0]?.[i]))).toEqual(values)
    }),
    { numRuns: 60 },
  )
})

function plain(given: unknown): unknown {
  return given instanceof ArrayBuffer ? new Uint8Array(given) : given
}

test('writes floats so that a reader of the text can tell them from integers', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('SELECT 1.0, -0.5, 1e300, 1, 9223372036854775807'),
    close,
  ])
  const reply = await fetch(`${harness.origin}/v2/pipeline`, {
    method: 'POST',
    body: JSON.stringify({ requests: [execute('SELECT 1.0'), close] }),
  })

  expect(results[0]?.response?.result?.rows).toEqual([
    [
      { type: 'float', value: 1 },
      { type: 'float', value: -0.5 },
      { type: 'float', value: 1e300 },
      { type: 'integer', value: '1' },
      { type: 'integer', value: '9223372036854775807' },
    ],
  ])
  expect(await reply.text()).toContain('{"type":"float","value":1.0}')
})

test('writes infinities as null, as serde_json does; the documents are silent', async () => {
  const { results } = await pipeline(harness.origin, [execute('SELECT 9e999, -9e999'), close])

  expect(results[0]?.response?.result?.rows).toEqual([
    [
      { type: 'float', value: null },
      { type: 'float', value: null },
    ],
  ])
})

test('gives row ids beyond 2^53 exactly', async () => {
  const { results } = await pipeline(harness.origin, [
    execute('DELETE FROM v'),
    execute('INSERT INTO v (id) VALUES (9007199254740993)'),
    execute('INSERT INTO v (id) VALUES (9007199254740995) RETURNING x'),
    close,
  ])

  expect(results.map((result) => result.response?.result?.last_insert_rowid ?? null)).toEqual([
    null,
    '9007199254740993',
    '9007199254740995',
    null,
  ])
})
