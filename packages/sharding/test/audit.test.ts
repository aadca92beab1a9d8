import { slotText } from '@stoa/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createRouter, type Router } from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet
let router: Router
beforeEach(async () => {
  fleet = await openFleet()
  router = createRouter({
    slots: fleet.slots,
    open: ({ name }) => (name === 'a' ? fleet.a : fleet.b),
    sleep: async () => undefined,
    audit: true,
  })
})
afterEach(() => fleet.close())

const slot = 9
const select = 'SELECT text AS found FROM lookup WHERE slot = ?'
const remove = 'DELETE FROM lookup WHERE slot = ?'

test('an audited router lets statements pass that bind their key', async () => {
  const keys = JSON.stringify([`${slotText(slot)}AB`])
  await router.write(slot, [{ sql: remove, args: [slotText(slot)] }], call)
  await router.read(slot, { sql: select, args: [slotText(slot)] }, call)
  await router.read(
    `${slotText(slot)}AB`,
    { sql: 'SELECT 1 AS one FROM json_each(?)', args: [keys] },
    call,
  )

  expect(fleet.a.sent).toHaveLength(3)
})

test.each([
  ['no value at all', { sql: 'DELETE FROM lookup', args: [] }],
  ['a value of another slot', { sql: remove, args: [slotText(10)] }],
])('an audited router refuses a write that binds %s, and sends nothing', async (_what, each) => {
  await expect(router.write(slot, [each], call)).rejects.toMatchObject({
    code: 'unkeyed_statement',
  })
  expect(fleet.a.sent).toEqual([])
})

test('an audited router refuses a read without its key', async () => {
  const all = { sql: 'SELECT text AS found FROM lookup', args: [] }

  await expect(router.read(slot, all, call)).rejects.toMatchObject({ code: 'unkeyed_statement' })
})
