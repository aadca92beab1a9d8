import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { openCheckpoint } from '../src/load/checkpoint.ts'
import { demoSource } from '../src/load/demo.ts'
import { parseGraph } from '../src/load/graph.ts'
import { parseCategories } from '../src/load/shop.ts'

describe('parseGraph', () => {
  test('reads an edge as two follows, once however often it is there', () => {
    const { members, edges, bad } = parseGraph('1 2\n2 1\n# note\n1,3\n', 'g')

    expect(members.map(({ value }) => value.handle)).toEqual(['node_1', 'node_2', 'node_3'])
    expect(edges.map(({ value }) => `${value.follower}>${value.followee}`)).toEqual([
      'node_1>node_2',
      'node_2>node_1',
      'node_1>node_3',
      'node_3>node_1',
    ])
    expect(bad).toEqual([])
  })

  test.each(['x y', '1', '1 2 3', '-1 2', '1 1', '1e3 4'])(
    'skips the line %j and says its number',
    (line) => {
      const { edges, bad } = parseGraph(`7 8\n${line}\n`, 'g')

      expect(edges).toHaveLength(2)
      expect(bad.map((each) => each.line)).toEqual([2])
    },
  )
})

describe('parseCategories', () => {
  test('makes the same product for a category each time', () => {
    const text = JSON.stringify([{ id: 'a', name: 'Lamps', path: [{ id: 'a', name: 'Lamps' }] }])

    const [one, two] = [parseCategories(text, 'c', 1), parseCategories(text, 'c', 1)]

    expect(one).toEqual(two)
    expect(one.products[0]?.value).toMatchObject({ sku: 'SKU-a', category: 'a', currency: 'USD' })
    expect(parseCategories(text, 'c', 2).products).not.toEqual(one.products)
  })

  test('calls a category without a name by its key', () => {
    const text = JSON.stringify([{ id: 'a', name: null, path: [{ id: 'a', name: null }] }])

    expect(parseCategories(text, 'c', 1).categories[0]?.value).toEqual({
      key: 'a',
      name: 'a',
      path: [{ key: 'a', name: 'a' }],
    })
  })

  test('skips what is none and what was there before, by its number', () => {
    const good = { id: 'a', name: 'A', path: [] }

    const { categories, bad } = parseCategories(
      JSON.stringify([good, good, { id: '?' }, 3]),
      'c',
      1,
    )

    expect(categories).toHaveLength(1)
    expect(bad.map(({ line }) => line)).toEqual([2, 3, 4])
  })
})

describe('demoSource', () => {
  test('is the same for the same seed, and of the shape of a real graph', () => {
    const size = { members: 200, categories: 40 }
    const source = demoSource(size, 3)

    expect(demoSource(size, 3)).toEqual(source)
    expect([source.members.length, source.categories.length, source.products.length]).toEqual([
      200, 40, 40,
    ])
    const degrees = Map.groupBy(source.edges, ({ value }) => value.followee)
    const sorted = [...degrees.values()].map((list) => list.length).toSorted((a, b) => a - b)
    // Some are followed by many times what the median is: that is what hot keys come from.
    expect(sorted.at(-1)).toBeGreaterThan(4 * (sorted[100] ?? 0))
    expect(source.bad).toEqual([])
    // A real graph may be loaded beside it, and must not find its members there.
    expect(source.members.every(({ value }) => value.handle.startsWith('demo_'))).toBe(true)
  })
})

describe('openCheckpoint', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'stoa-checkpoint-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('remembers what was answered, and the ids, over a restart', async () => {
    const file = path.join(folder, 'c.json')
    const first = await openCheckpoint(file)
    await Promise.all([
      first.markDone('members', 0, { ada: 'usr_1' }),
      first.markDone('follows', 250, {}),
    ])

    const second = await openCheckpoint(file)

    expect(second.resumed).toBe(2)
    expect([
      second.isDone('members', 0),
      second.isDone('members', 250),
      second.isDone('follows', 250),
    ]).toEqual([true, false, true])
    expect(second.ids.get('ada')).toBe('usr_1')
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ done: { members: [0] } })
  })

  test('begins anew from a file that is torn', async () => {
    const file = path.join(folder, 'c.json')
    await writeFile(file, '{"done":{"members":[0')

    expect((await openCheckpoint(file)).resumed).toBe(0)
  })
})

type Sent = { readonly line: number; readonly handle?: string; readonly follower?: string }

describe('load', () => {
  const program = fileURLToPath(new URL('../src/load.ts', import.meta.url))
  let folder: string
  let sent: { readonly url: string | undefined; readonly lines: readonly Sent[] }[]
  let refused: string | undefined
  const server = createServer(async (request, response) => {
    const { lines } = (await json(request)) as { lines: readonly Sent[] }
    sent.push({ url: request.url, lines })
    const results = lines.map(({ line, handle = '' }, index) =>
      handle !== '' && handle === refused
        ? { line, outcome: 'refused', code: 'handle_taken' }
        : { line, outcome: 'created', id: `usr_${String(index).padStart(20, '0')}` },
    )
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ results }))
  })
  beforeEach(async () => {
    sent = []
    refused = undefined
    folder = await mkdtemp(path.join(tmpdir(), 'stoa-load-'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true, force: true })
  })

  async function run(token: string, members: number): Promise<void> {
    const { port } = server.address() as AddressInfo
    const size = ['--members', String(members), '--demo-categories', '1']
    const args = [program, '--url', `http://127.0.0.1:${port}`, '--token', token, ...size]
    await promisify(execFile)(process.execPath, args, { cwd: folder })
  }

  test('sends what was refused again, and the follows that waited for it', async () => {
    const { members, edges } = demoSource({ members: 60, categories: 1 }, 1)
    // Who comes late in the list and is in the first of its follows: they shift, if they are counted without it.
    refused = edges[0]?.value.follower
    await expect(run('one', 60)).rejects.toMatchObject({ code: 1 })
    refused = undefined

    await run('one', 60)

    const follows = sent.filter(({ url }) => url === '/v1/imports/follows')
    const pairs = new Set(follows.flatMap(({ lines }) => lines).map((each) => JSON.stringify(each)))
    expect(edges.length).toBeGreaterThan(250)
    expect(pairs.size).toBe(edges.length)
    const handles = sent.flatMap(({ lines }) => lines.flatMap(({ handle }) => handle ?? []))
    expect(new Set(handles).size).toBe(members.length)
  })

  test('goes on where it was, but never by what other data was sent to the same address', async () => {
    const load = async (token: string): Promise<number> => {
      sent = []
      await run(token, 2)
      return sent.length
    }

    expect([await load('one'), await load('one'), await load('two')]).toEqual([4, 0, 4])
  })
})
