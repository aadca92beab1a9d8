import { seededRandom } from '@stoa/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { createBranches } from '../src/index.ts'
import { call, clock, type Database, firstOf, type Fleet, idIn, openFleet } from './databases.ts'
import { purseDdl, runSchedule, type Schedule, schedulesOf } from './interleavings.ts'

let fleet: Fleet
let database: Database

beforeAll(async () => {
  fleet = await openFleet()
  database = firstOf(fleet)
  for (const sql of purseDdl) await database.run(sql)
})
afterAll(() => fleet.close())

async function runAll(schedules: readonly Schedule[]): Promise<number> {
  for (const schedule of schedules) await runSchedule(database, schedule)
  return schedules.length
}

describe('a barrier', { timeout: 60_000 }, () => {
  test('keeps three tries and three cancels in every order, with every death and repeat', async () => {
    const schedules = schedulesOf(['try', 'try', 'try', 'cancel', 'cancel', 'cancel'])

    expect(await runAll(schedules)).toBe(20 * (64 + 63 + 3 * 6))
  })

  test('keeps two tries and two confirms in every order, with every death and repeat', async () => {
    const schedules = schedulesOf(['try', 'try', 'confirm', 'confirm'])

    expect(await runAll(schedules)).toBe(6 * (16 + 15 + 3 * 4))
  })

  test('lets a branch be confirmed or cancelled, never both', async () => {
    const schedules = schedulesOf(['try', 'try', 'confirm', 'cancel'])

    expect(await runAll(schedules)).toBe(12 * (16 + 15 + 3 * 4))
  })
})

describe('an operation of a branch', () => {
  const random = seededRandom(5)
  const branches = () => createBranches({ keyspace: fleet.router, clock, random })
  const operation = () => ({ key: idIn(2), gid: 'g', branch: 'b', op: 'action' }) as const
  const nothing = () => [{ sql: 'SELECT 1 AS one', args: [] }]

  test('costs one round trip', async () => {
    const before = database.sent

    const outcome = await branches().run(operation(), nothing, call)

    expect(outcome).toBe('applied')
    expect(database.sent - before).toBe(1)
  })

  test.for([
    ['reply', 'duplicate'],
    ['request', 'applied'],
    [{ diesAt: 1 }, 'applied'],
  ] as const)(
    'whose %s is lost is sent once more, as another attempt',
    async ([lost, expected]) => {
      const fates = [lost]
      database.fate = () => fates.shift() ?? 'kept'
      const before = database.sent

      const outcome = await branches().run(operation(), nothing, call)

      expect(outcome).toBe(expected)
      expect(database.sent - before).toBe(2)
    },
  )

  test('leaves it to its caller after two lost replies, who may ask again', async () => {
    const fates = ['reply', 'reply'] as const
    const left = [...fates]
    database.fate = () => left.shift() ?? 'kept'
    const one = operation()

    await expect(branches().run(one, nothing, call)).rejects.toMatchObject({
      code: 'ambiguous_write',
    })
    expect(await branches().run(one, nothing, call)).toBe('duplicate')
  })

  test('is refused out of order, with nothing written', async () => {
    const confirm = { ...operation(), op: 'confirm' } as const

    await expect(branches().run(confirm, nothing, call)).rejects.toMatchObject({
      code: 'branch_out_of_order',
      op: 'confirm',
    })
    expect(await database.run('SELECT 1 FROM barrier WHERE slot = ?', confirm.key)).toEqual([])
  })

  test('of a saga is undone once, and cannot come after its undo', async () => {
    const one = operation()
    const run = (op: 'action' | 'compensate') => branches().run({ ...one, op }, nothing, call)

    expect([await run('compensate'), await run('action'), await run('compensate')]).toEqual([
      'void',
      'hanging',
      'duplicate',
    ])
  })
})
