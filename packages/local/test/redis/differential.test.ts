import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'

import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { Argv, Mode, RedisEngine } from '../../src/redis/engine.ts'
import { InProcessEngine } from '../../src/redis/memory/engine.ts'
import { findServer } from '../../src/redis/server/configuration.ts'
import { ServerEngine } from '../../src/redis/server/engine.ts'
import { comparable } from './comparison.ts'
import { missingServer, temporaryFolder } from './harness.ts'
import { plainKeys, randomCommand } from './random-commands.ts'

/** More with `RUNS=20000 SEARCH_MS=600000`, for a long search. */
const numRuns = Number(process.env['RUNS'] ?? 150)
const searchMs = Number(process.env['SEARCH_MS'] ?? 10_000)

type Step = { readonly mode: Mode; readonly commands: readonly Argv[] }

const step = fc.record({
  mode: fc.constantFrom<Mode>('single', 'pipeline', 'multi'),
  commands: fc.array(randomCommand, { minLength: 1, maxLength: 5 }),
})

const directed = readFileSync(new URL('./directed-commands.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) =>
    line.startsWith('[') ? (JSON.parse(line) as unknown[]).map(String) : line.split(' '),
  )

/** Reads everything that two equal databases must agree on. */
const inspection: readonly Argv[] = plainKeys.flatMap((key) => [
  ['TYPE', key],
  ['TTL', key],
  ['GET', key],
  ['HGETALL', key],
  ['LRANGE', key, '0', '-1'],
  ['SMEMBERS', key],
  ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  ['XRANGE', key, '-', '+'],
  ['PFCOUNT', 'hll1', 'hll2'],
])

async function observed(engine: RedisEngine, { mode, commands }: Step): Promise<unknown> {
  const { replies, innerCalls, discarded } = await engine.run(0, commands, mode)
  return {
    discarded,
    innerCalls,
    replies: replies.map((reply, at) => comparable(commands[at] ?? [], reply)),
  }
}

describe.skipIf(missingServer)(`the two engines (${missingServer ?? 'both here'})`, () => {
  let folders: readonly string[] = []
  let server: ServerEngine
  let inProcess: InProcessEngine

  beforeAll(async () => {
    folders = [await temporaryFolder(), await temporaryFolder()]
    server = await ServerEngine.start({ folder: folders[0] ?? '', binary: findServer() ?? '' })
    inProcess = new InProcessEngine({ folder: folders[1] ?? '' })
  })
  afterAll(async () => {
    await server.close()
    await inProcess.close()
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  })

  /** What each engine does with the step; the step itself stands in both, to be seen when they differ. */
  async function compare(work: Step): Promise<{ wanted: unknown; found: unknown }> {
    const [wanted, found] = await Promise.all([observed(server, work), observed(inProcess, work)])
    return { wanted: { work, outcome: wanted }, found: { work, outcome: found } }
  }

  async function both(commands: readonly Argv[]): Promise<void> {
    await Promise.all([server.run(0, commands, 'pipeline'), inProcess.run(0, commands, 'pipeline')])
  }

  beforeEach(() => both([['FLUSHDB']]))

  test('answer every directed command alike', async () => {
    for (const argv of directed) {
      const { wanted, found } = await compare({ mode: 'single', commands: [argv] })
      expect(found).toEqual(wanted)
    }
  })

  test('answer the directed commands alike in transactions', async () => {
    const erratic = /^(nosuch|client_|flush|script|get$|randomkey)/i
    for (const argv of directed.filter(([name = '']) => !erratic.test(name))) {
      const { wanted, found } = await compare({ mode: 'multi', commands: [argv, ['DBSIZE']] })
      expect(found).toEqual(wanted)
    }
  })

  test(
    'answer any sequence of commands alike, and end with the same data',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
          await both([['FLUSHDB']])
          for (const work of [...steps, { mode: 'pipeline', commands: inspection } as const]) {
            const { wanted, found } = await compare(work)
            expect(found).toEqual(wanted)
          }
        }),
        { numRuns, interruptAfterTimeLimit: searchMs },
      )
    },
    searchMs + 30_000,
  )

  test('estimate the same cardinality from 1,000 to 50,000 elements', async () => {
    for (let size = 0; size < 50_000; size += 1000) {
      const elements = Array.from({ length: 1000 }, (_, at) => `element-${size + at}`)
      const commands = [
        ['PFADD', 'big', ...elements],
        ['PFCOUNT', 'big'],
      ]
      const { wanted, found } = await compare({ mode: 'pipeline', commands })
      expect(found).toEqual(wanted)
    }
  }, 30_000)

  test('trim streams approximately alike, whatever the entries weigh', async () => {
    const heavy = Array.from({ length: 1000 }, (_, at) => [
      'XADD',
      'st',
      `1-${at + 1}`,
      'f',
      'x'.repeat(at),
    ])
    await both(heavy)
    const commands = [
      ['XTRIM', 'st', 'MAXLEN', '~', '300'],
      ['XLEN', 'st'],
    ]

    const { wanted, found } = await compare({ mode: 'pipeline', commands })

    expect(found).toEqual(wanted)
  })

  test('visit the same elements when a scan is followed to its end', async () => {
    const members = Array.from({ length: 700 }, (_, at) => `m${at}`)
    await both([
      ['MSET', ...members.flatMap((name) => [name, 'x'])],
      ['SADD', 'bigset', ...members],
      ['HSET', 'bighash', ...members.flatMap((name) => [name, 'x'])],
      ['ZADD', 'bigzset', ...members.flatMap((name, at) => [String(at), name])],
    ])
    const scans = [['SCAN'], ['SSCAN', 'bigset'], ['HSCAN', 'bighash'], ['ZSCAN', 'bigzset']]

    for (const scan of scans) {
      const [wanted, found] = [await scanned(server, scan), await scanned(inProcess, scan)]
      expect(found).toEqual(wanted)
      expect(found.length).toBeGreaterThanOrEqual(700)
    }
  })
})

async function scanned(engine: RedisEngine, scan: Argv): Promise<readonly string[]> {
  const found = new Set<string>()
  let cursor = '0'
  do {
    const { replies } = await engine.run(0, [[...scan, cursor, 'COUNT', '50']], 'single')
    const [next, page] = replies[0] as [string, readonly string[]]
    for (const each of page) found.add(each)
    cursor = next
  } while (cursor !== '0')
  return [...found].toSorted()
}
