import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { staff } from './people.ts'
import { everywhere } from './shards.ts'

const script = fileURLToPath(new URL('../../packages/cli/src/load.ts', import.meta.url))

let system: System
let folder: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2 })
  folder = await mkdtemp(path.join(tmpdir(), 'stoa-load-'))
})

afterAll(async () => {
  await system.close()
  await rm(folder, { recursive: true, force: true })
})

type Outcome = {
  readonly code: number
  readonly out: Record<string, number>
  readonly errors: string
}

/** Runs the loader as a person would, in a folder of its own; kills it after `killAfterMs`. */
function load(args: readonly string[], killAfterMs?: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const all = [script, '--url', system.url, '--token', staff.importer, '--json', ...args]
    const child = execFile(process.execPath, all, { cwd: folder }, (error, stdout, stderr) => {
      const out = stdout.startsWith('{') ? (JSON.parse(stdout) as Record<string, number>) : {}
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, errors: stderr })
    })
    if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
}

async function rowCounts(): Promise<Record<string, number>> {
  const tables = [
    ['users', 'member'],
    ['social', 'follow'],
    ['social', 'follower'],
    ['catalog', 'category'],
    ['catalog', 'product'],
    ['warehouse', 'stock'],
  ] as const
  const counts: Record<string, number> = {}
  for (const [keyspace, table] of tables) {
    const rows = await everywhere(system, keyspace, { sql: `SELECT count(*) AS n FROM ${table}` })
    counts[table] = rows.reduce((sum, { n }) => sum + Number(n), 0)
  }
  return counts
}

const demo = ['--members', '120', '--demo-categories', '80'] as const

test('a load that is killed goes on where it was, and what is read back is what was sent', async () => {
  await load(demo, 900)

  const finished = await load([...demo, '--verify'])

  expect(finished.out).toMatchObject({
    members: 120,
    categories: 80,
    products: 80,
    refused: 0,
    differences: 0,
  })
  expect(finished.code).toBe(0)
  const { follows = 0 } = finished.out
  expect(await rowCounts()).toEqual({
    member: 120,
    follow: follows,
    follower: follows,
    category: 80,
    product: 80,
    stock: 80,
  })
}, 180_000)

test('sending everything again changes nothing', async () => {
  const before = await rowCounts()

  const again = await load([...demo, '--no-resume', '--verify'])

  expect(again.out).toMatchObject({ created: 0, refused: 0, differences: 0 })
  expect(again.out['exists']).toBe(
    Object.values(before).reduce((sum, n) => sum + n, 0) -
      (before['follower'] ?? 0) -
      (before['stock'] ?? 0),
  )
  expect(await rowCounts()).toEqual(before)
}, 180_000)

test('bad lines are reported by number and skipped', async () => {
  const graph = path.join(folder, 'graph.edges')
  const categories = path.join(folder, 'categories.json')
  await writeFile(graph, '# a comment\n901 902\nnot an edge\n902 902\n901 903\n')
  await writeFile(
    categories,
    JSON.stringify([{ id: 'ok-1', name: 'Fine', path: [] }, { id: '!', name: 'x', path: [] }, 7]),
  )

  const { out, errors } = await load(['--graph', graph, '--categories', categories])

  expect(out).toMatchObject({
    members: 3,
    follows: 4,
    categories: 1,
    products: 1,
    badLines: 4,
    refused: 0,
  })
  for (const words of [
    'graph.edges:3:',
    'graph.edges:4:',
    'categories.json:2:',
    'categories.json:3:',
  ]) {
    expect(errors).toContain(words)
  }
}, 120_000)
