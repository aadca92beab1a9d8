import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { auditLedger, captureFunds, walletStatements } from '../src/index.ts'
import { call, type Database, firstOf, type Fleet, openFleet } from './databases.ts'
import { openAccount, purseOf, walletsOf, write } from './money.ts'

let fleet: Fleet
let database: Database
let account: string

beforeEach(async () => {
  fleet = await openFleet()
  database = firstOf(fleet)
  account = await openAccount(fleet, 3, 500)
})
afterEach(async () => {
  const breaches = await auditLedger(database, call)
  fleet.close()
  if (breaches.length > 0) throw new Error(`The ledger broke: ${JSON.stringify(breaches)}`)
})

const money = (amount: number) => ({ currency: 'EUR', amount })
const always = { sql: 'TRUE', args: [] }

describe('a wallet', () => {
  const hold = () => ({ account, gid: 'g', branch: 'b' })
  let seed = 0
  const fresh = () => walletsOf(fleet, (seed += 1))
  const run = (op: 'capture' | 'release' | 'credit' | 'decline') =>
    fresh().run({ op, hold: hold() }, call)
  const first = (op: 'freeze' | 'expect', amount: number) =>
    fresh().run({ op, hold: hold(), money: money(amount) }, call)

  test('freezes, and sends what is frozen on its way', async () => {
    await first('freeze', 200)
    expect(await purseOf(fleet, account)).toEqual([300, 200, 0])

    await run('capture')
    expect(await purseOf(fleet, account)).toEqual([300, 0, 200])
  })

  test('freezes, and gives back what is frozen', async () => {
    await first('freeze', 200)
    await run('release')

    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
  })

  test('takes what is on its way', async () => {
    await first('expect', 70)
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])

    await run('credit')
    expect(await purseOf(fleet, account)).toEqual([570, 0, -70])
  })

  test('forgets what does not come', async () => {
    await first('expect', 70)
    await run('decline')

    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
  })

  test('costs one round trip for each operation', async () => {
    const before = database.sent

    await first('freeze', 200)
    await run('capture')

    expect(database.sent - before).toBe(2)
  })

  test.for(['capture', 'release'] as const)(
    'does %s once, however often it is asked',
    async (op) => {
      await first('freeze', 200)
      const outcomes = [
        await first('freeze', 200),
        await run(op),
        await run(op),
        await first('freeze', 200),
      ]

      expect(outcomes).toEqual(['duplicate', 'applied', 'duplicate', 'duplicate'])
      expect(await purseOf(fleet, account)).toEqual(op === 'capture' ? [300, 0, 200] : [500, 0, 0])
    },
  )

  test('does not freeze what was released before it came', async () => {
    expect(await run('release')).toBe('void')
    expect(await first('freeze', 200)).toBe('hanging')
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
  })

  test('freezes no more than there is, and may try again when there is more', async () => {
    await expect(first('freeze', 501)).rejects.toMatchObject({ code: 'insufficient_funds' })
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])

    expect(await first('freeze', 500)).toBe('applied')
  })

  test('does not capture what it gave back, nor give back what it captured', async () => {
    await first('freeze', 200)
    await run('capture')

    await expect(run('release')).rejects.toMatchObject({ code: 'branch_out_of_order' })
    expect(await purseOf(fleet, account)).toEqual([300, 0, 200])
  })

  test('promises nothing for an account that is not there', async () => {
    const nobody = { ...hold(), account: `${account.slice(0, 19)}Z` }

    for (const op of ['freeze', 'expect'] as const) {
      await expect(
        walletsOf(fleet).run({ op, hold: nobody, money: money(5) }, call),
      ).rejects.toMatchObject({ code: 'unknown_account' })
    }
  })

  test('captures in parts, each once, never more than was held, and gives back the rest', async () => {
    const step = { hold: hold(), at: 0, gate: always }
    await first('freeze', 200)
    await write(fleet, account, captureFunds(step, { name: 'p1', amount: 120 }))

    await expect(
      write(fleet, account, captureFunds(step, { name: 'p1', amount: 10 })),
    ).rejects.toMatchObject({ code: 'already_booked' })
    await expect(
      write(fleet, account, captureFunds(step, { name: 'p2', amount: 81 })),
    ).rejects.toMatchObject({ code: 'hold_exceeded' })
    await write(fleet, account, walletStatements({ op: 'release', hold: hold() }, step))
    expect(await purseOf(fleet, account)).toEqual([380, 0, 120])
  })

  test('captures nothing that was never held', async () => {
    const step = { hold: { ...hold(), gid: 'other' }, at: 0, gate: always }

    for (const part of [undefined, { name: 'p', amount: 5 }]) {
      await expect(write(fleet, account, captureFunds(step, part))).rejects.toMatchObject({
        code: 'hold_exceeded',
      })
    }
  })
})
