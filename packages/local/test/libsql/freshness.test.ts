import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { devTokens, type Local, startLocal } from '../../src/index.ts'

let local: Local

beforeAll(async () => {
  local = await startLocal({ redisEngine: 'in-process' })
})

afterAll(() => local.close())

async function newDatabase(name: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${local.ports.libsql}/_local/databases`, {
    method: 'POST',
    body: JSON.stringify({ name }),
  })
  return ((await response.json()) as { url: string }).url
}

/** Writes row after row, and reads each back at once by key, by batch, by scan and through a join, on fresh connections. */
async function writeAndRead(url: string): Promise<number> {
  const fresh = () => createClient({ url, authToken: devTokens.libsql })
  await fresh().batch(['CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)'], 'write')
  let stale = 0
  for (let id = 1; id <= 60; id += 1) {
    await fresh().batch([{ sql: 'INSERT INTO t VALUES (?, ?)', args: [id, 'x'] }], 'write')
    const [byKey, joined, batch, last] = await Promise.all([
      fresh().execute({ sql: 'SELECT id FROM t WHERE id = ?', args: [id] }),
      fresh().execute({ sql: 'SELECT t.id FROM (SELECT 1) LEFT JOIN t ON t.id = ?', args: [id] }),
      fresh().batch(['SELECT count(*) AS n FROM t'], 'read'),
      fresh().execute('SELECT max(id) AS id FROM t'),
    ])
    const seen = [
      byKey.rows[0]?.['id'],
      joined.rows[0]?.['id'],
      batch[0]?.rows[0]?.['n'],
      last.rows[0]?.['id'],
    ]
    stale += seen.filter((value) => value !== id).length
    if (id % 7 === 0) await disturb(url, id)
  }
  return stale
}

/** What could leave an old snapshot behind: a long read, a transaction that ends either way, a lost request. */
async function disturb(url: string, id: number): Promise<void> {
  const client = createClient({ url, authToken: devTokens.libsql })
  const reading = client.execute('SELECT a.id FROM t a, t b, t c LIMIT 5000')
  const transaction = await client.transaction('write')
  await transaction.execute('UPDATE t SET s = s')
  if (id % 2 === 0) await transaction.commit()
  else await transaction.rollback()
  await reading
}

test('a read that begins after a commit was acknowledged sees it, on every path', async () => {
  const urls = await Promise.all(
    Array.from({ length: 6 }, (_, index) => newDatabase(`fresh-${index}`)),
  )

  const stale = await Promise.all(urls.map(writeAndRead))

  expect(stale).toEqual([0, 0, 0, 0, 0, 0])
}, 60_000)
