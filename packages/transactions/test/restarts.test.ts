import { isFault } from '@stoa/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Executor } from '../src/index.ts'
import { type Aim, type LifeOptions, runLife, sagasPerSecond } from './restarts-life.ts'
import { openServers, type Servers } from './restarts-servers.ts'

/** `SAGAS=5000 RESTART_MS=5000 npx vitest run test/restarts.test.ts` is the long form. */
const sagas = Number(process.env['SAGAS'] ?? 150)
const restartMs = Number(process.env['RESTART_MS'] ?? 1_500)
const seed = Number(process.env['SEED'] ?? 1)

let servers: Servers
beforeAll(async () => {
  servers = await openServers()
})
afterAll(() => servers.close())

const hopes = (inner: Executor): Executor => ({
  execute: (operation, given) =>
    inner.execute(operation, given).catch((error: unknown) => {
      if (!isFault(error) || !error.retryable) throw error
      return { outcome: 'done' }
    }),
})

/** A safeguard that is missing, and where a server must die for that to show. */
const mutants: readonly (readonly [
  string,
  Pick<LifeOptions, 'rewrite' | 'executor' | 'isTrusting'> & { readonly aim: Aim },
])[] = [
  [
    'lets every attempt through the gate of its barrier',
    {
      aim: { at: 'INSERT INTO hold', when: 'after' },
      rewrite: (sql) => sql.replaceAll('AND token = ?) = 1', "AND ? <> '') > 0"),
    },
  ],
  [
    'takes a lost reply for a yes',
    { aim: { at: 'INSERT INTO hold', when: 'before' }, executor: hopes },
  ],
  [
    'takes a begin whose reply is lost for begun',
    { aim: { at: 'INSERT INTO saga', when: 'before' }, isTrusting: true },
  ],
]

/** Nobody is refused, so that nothing but a death can part a mutant from the rest. */
const rich = { sagas: 30, opening: 1_000_000 }
/** Lives until one notices, so that an unlucky moment hides nothing. */
const livesMax = 8

describe('sagas over real servers that are killed and come back', { timeout: 120_000 }, () => {
  test(
    'all end, none is lost, and no unit is lost or made',
    { timeout: 60_000 + sagas * 500 },
    async () => {
      const options = { seed, sagas, restartMs, opening: 1_000 }
      const { wrongs, ...report } = await runLife(servers, options)
      process.stdout.write(`sagas: ${JSON.stringify({ seed, sagas, ...report })}\n`)

      expect(wrongs).toEqual([])
      expect(report.done + report.cancelled).toBe(sagas)
      expect(report.done).toBeGreaterThan(sagas / 4)
      expect(report.restarts).toBeGreaterThanOrEqual(
        Math.floor((sagas * 1_000) / sagasPerSecond / restartMs),
      )
      expect(report.replies.ambiguous).toBeGreaterThan(0)
    },
  )

  test.for(mutants)('notice a mutant that %s, by the deaths alone', async ([name, mutant]) => {
    const calm = await runLife(servers, { ...rich, ...mutant, seed, restartMs: 0 })
    let noticed: readonly string[] = []
    for (let life = 0; life < livesMax && noticed.length === 0; life += 1) {
      const options = { ...rich, ...mutant, seed: seed + life, restartMs: 500 }
      noticed = (await runLife(servers, options)).wrongs
    }
    process.stdout.write(`a mutant that ${name}: ${noticed[0]}\n`)

    expect(calm.wrongs).toEqual([])
    expect(noticed).not.toEqual([])
  })
})
