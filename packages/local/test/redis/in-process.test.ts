import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'

import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { Argv } from '../../src/redis/engine.ts'
import { InProcessEngine } from '../../src/redis/memory/engine.ts'
import { ReplyError, type Reply } from '../../src/redis/reply.ts'
import { comparable } from './comparison.ts'
import { temporaryFolder } from './harness.ts'
import { plainKeys, randomCommand } from './random-commands.ts'

let folder = ''
let now = 1_000_000
const opened: InProcessEngine[] = []

function open(): InProcessEngine {
  const engine = new InProcessEngine({ folder, now: () => now })
  opened.push(engine)
  return engine
}

async function ask(engine: InProcessEngine, ...argv: readonly string[]): Promise<Reply> {
  const { replies } = await engine.run(0, [argv], 'single')
  return replies[0] ?? null
}

beforeEach(async () => {
  now = 1_000_000
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close().catch(() => undefined)
  await rm(folder, { recursive: true, force: true })
})

const inspection: readonly Argv[] = [...plainKeys, 'hll1', 'hll2'].flatMap((key) => [
  ['TYPE', key],
  ['PEXPIRETIME', key],
  ['GET', key],
  ['HGETALL', key],
  ['LRANGE', key, '0', '-1'],
  ['SMEMBERS', key],
  ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  ['XRANGE', key, '-', '+'],
  ['XINFO', 'STREAM', key],
])

async function contents(engine: InProcessEngine): Promise<unknown> {
  const { replies } = await engine.run(0, inspection, 'pipeline')
  return replies.map((reply, at) => comparable(inspection[at] ?? [], reply))
}

describe('the log', () => {
  test('brings back the same data after any sequence of commands, twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(randomCommand, { maxLength: 60 }), async (commands) => {
        await rm(folder, { recursive: true, force: true })
        const first = new InProcessEngine({ folder })
        await first.run(0, commands, 'pipeline')
        const wanted = await contents(first)

        // Not closed: the process could have been killed here.
        const second = new InProcessEngine({ folder })
        const replayed = await contents(second)
        const third = new InProcessEngine({ folder })
        const compacted = await contents(third)

        expect(replayed).toEqual(wanted)
        expect(compacted).toEqual(wanted)
        for (const engine of [first, second, third]) await engine.close()
      }),
      { numRuns: 60, interruptAfterTimeLimit: 15_000 },
    )
  }, 30_000)

  test('keeps what chance and the clock decided', async () => {
    const engine = open()
    await ask(engine, 'SADD', 'set', ...Array.from({ length: 50 }, (_, at) => `m${at}`))
    await ask(engine, 'SPOP', 'set', '20')
    const id = await ask(engine, 'XADD', 'log', '*', 'f', 'v')
    await ask(engine, 'EVAL', 'redis.call("SET", "t", redis.call("TIME")[1])', '0')
    await ask(engine, 'SET', 'short', 'v', 'EX', '10')
    const members = await ask(engine, 'SMEMBERS', 'set')
    now += 5_000

    const again = open()

    expect(await ask(again, 'SMEMBERS', 'set')).toEqual(members)
    expect(await ask(again, 'XRANGE', 'log', '-', '+')).toEqual([[id, ['f', 'v']]])
    expect(await ask(again, 'GET', 't')).toBe('1000')
    expect(await ask(again, 'PTTL', 'short')).toBe(5_000)
    now += 5_000
    expect(await ask(again, 'GET', 'short')).toBeNull()
  })

  test('does not bring back what had expired, nor build on it', async () => {
    const engine = open()
    await ask(engine, 'SET', 'n', '5', 'PX', '100')
    now += 100
    await ask(engine, 'INCR', 'n')

    const again = open()

    expect(await ask(again, 'GET', 'n')).toBe('1')
    expect(await ask(again, 'TTL', 'n')).toBe(-1)
  })

  test('loses only a last record that was cut short, and goes on after it', async () => {
    const engine = open()
    await ask(engine, 'SET', 'a', '1')
    await engine.run(
      0,
      [
        ['SET', 'b', '2'],
        ['SET', 'c', '3'],
      ],
      'multi',
    )
    const file = path.join(folder, 'log')
    truncateSync(file, readFileSync(file).length - 1)

    const again = open()
    expect(await ask(again, 'MGET', 'a', 'b', 'c')).toEqual(['1', null, null])
    await ask(again, 'SET', 'd', '4')

    expect(await ask(open(), 'MGET', 'a', 'd')).toEqual(['1', '4'])
  })

  test('ignores garbage after the last whole record', async () => {
    await ask(open(), 'SET', 'a', '1')
    appendFileSync(path.join(folder, 'log'), Buffer.from([9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]))

    expect(await ask(open(), 'GET', 'a')).toBe('1')
  })

  test('refuses a file that is not its own', () => {
    writeFileSync(path.join(folder, 'log'), 'something else that somebody wants to keep')

    expect(() => open()).toThrow(/is not a log of this engine/)
    expect(readFileSync(path.join(folder, 'log'), 'utf8')).toMatch(/^something else/)
  })

  test('shrinks to what is alive when it is opened', async () => {
    const engine = open()
    for (let at = 0; at < 1000; at++) await ask(engine, 'SET', 'a', `value ${at}`)
    const before = readFileSync(path.join(folder, 'log')).length

    open()

    expect(readFileSync(path.join(folder, 'log')).length).toBeLessThan(before / 100)
  })
})

describe('expiry', () => {
  test('hides a key from every command at its deadline, not before', async () => {
    const engine = open()
    await ask(engine, 'SET', 'k', 'v', 'PX', '50')
    now += 49
    expect(await ask(engine, 'PTTL', 'k')).toBe(1)
    expect(await ask(engine, 'DBSIZE')).toBe(1)
    now += 1

    expect(await ask(engine, 'EXISTS', 'k')).toBe(0)
    expect(await ask(engine, 'DBSIZE')).toBe(0)
    expect(await ask(engine, 'KEYS', '*')).toEqual([])
    expect(await ask(engine, 'SET', 'k', 'v', 'XX')).toBeNull()
  })

  test('frees keys nobody asks for, a few with each command', async () => {
    const engine = open()
    const names = Array.from({ length: 100 }, (_, at) => `k${at}`)
    for (const name of names) await ask(engine, 'SET', name, 'x'.repeat(1000), 'PX', '10')
    now += 10
    for (let at = 0; at < 60; at++) await ask(engine, 'PING')

    const size = readFileSync(path.join(folder, 'log')).length
    open()

    // The deletions are in the log already, so opening it again finds nothing to keep.
    expect(size).toBeGreaterThan(100_000)
    expect(readFileSync(path.join(folder, 'log')).length).toBeLessThan(100)
  })
})

describe('SCAN', () => {
  test('shows every key that lives throughout, whatever is written meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(80), fc.boolean()), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        async (changes, count) => {
          const engine = open()
          await ask(engine, 'FLUSHDB')
          const kept = Array.from({ length: 40 }, (_, at) => `kept${at}`)
          await ask(engine, 'MSET', ...kept.flatMap((key) => [key, 'v']))
          const seen = new Set<string>()
          const pending = [...changes]
          let cursor = '0'
          do {
            const retried = await ask(engine, 'SCAN', cursor, 'COUNT', String(count))
            const page = (await ask(engine, 'SCAN', cursor, 'COUNT', String(count))) as [
              string,
              readonly string[],
            ]
            expect(page).toEqual(retried)
            for (const key of page[1]) seen.add(key)
            cursor = page[0]
            for (const [name, isWrite] of pending.splice(0, 5)) {
              await ask(engine, ...(isWrite ? ['SET', `k${name}`, 'v'] : ['DEL', `k${name}`]))
            }
          } while (cursor !== '0')

          expect(kept.filter((key) => !seen.has(key))).toEqual([])
          await opened.pop()?.close()
        },
      ),
      { numRuns: 30 },
    )
  })
})

function run(engine: InProcessEngine, source: string): Promise<Reply> {
  return ask(engine, 'EVAL', source, '0')
}

describe('a script', () => {
  test('cannot reach files, processes or the interpreter', async () => {
    const engine = open()
    const names = [
      'os',
      'io',
      'require',
      'package',
      'debug',
      'dofile',
      'loadfile',
      'print',
      'js',
      'fengari',
    ]
    for (const name of names) {
      expect(await run(engine, `return ${name}`)).toBeInstanceOf(ReplyError)
    }
    expect(await run(engine, 'return load("return os")()')).toBeInstanceOf(ReplyError)
    expect(await run(engine, 'return string.dump == nil and 1 or 0')).toBe(1)
  })

  test('leaves nothing behind for the next one', async () => {
    const engine = open()
    const attempts = [
      'x = 1',
      '_G.x = 1',
      'rawset(_G, "x", 1)',
      'setmetatable(_G, {})',
      'string.upper = nil',
      'redis.call = nil',
      'load("x = 1")()',
    ]
    for (const source of attempts) expect(await run(engine, source)).toBeInstanceOf(ReplyError)
    expect(await run(engine, 'local t = getmetatable(_G); return type(t)')).toBe('boolean')
    expect(await run(engine, 'return x')).toBeInstanceOf(ReplyError)
    expect(await run(engine, 'return string.upper("ok")')).toBe('OK')
  })

  test('is stopped when it recurses without end, and the engine lives on', async () => {
    const engine = open()
    const reply = await run(engine, 'local function f() return 1 + f() end return f()')

    expect(reply).toBeInstanceOf(ReplyError)
    expect(await run(engine, 'return 1')).toBe(1)
  })

  test('is stopped when it runs for longer than it may', async () => {
    const engine = new InProcessEngine({ folder, scriptLimitMs: 100 })
    opened.push(engine)
    const reply = await run(engine, 'while true do end')

    expect(reply instanceof ReplyError && reply.message).toMatch(/ran longer than 100 ms/)
    expect(await run(engine, 'return 1')).toBe(1)
  })

  test('keeps bytes as they are', async () => {
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at))
    const engine = open()
    await ask(engine, 'SET', bytes, bytes)

    const source = 'return {redis.call("GET", KEYS[1]), #KEYS[1], KEYS[1] == ARGV[1]}'
    expect(await ask(engine, 'EVAL', source, '1', bytes, bytes)).toEqual([bytes, 256, 1])
  })
})

test('the engine answers nothing more once the disk refuses a write', async () => {
  const engine = open()
  await ask(engine, 'SET', 'a', '1')
  await engine.close()

  await expect(ask(engine, 'GET', 'a')).rejects.toThrow(/MISCONF/)
})
