import { expect, test } from 'vitest'

import { member, cartOf, put, offer, order } from './world.ts'
test('smoke', async () => {
  const m = member()
  const c = await cartOf(m)
  console.log(c)
  const o = offer()
  const p = await put(c, o)
  console.log(p.text)
  const r = await order(m, c)
  console.log(r.text)
  expect(r.response.status).toBe(201)
})
