import { typedId } from '@stoa/kernel'
import { exports } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { boundOffer } from './doubles.ts'
import { ask, cartOf, key, member, put } from './world.ts'

test('the Worker of its own reaches its neighbours by its bindings', async () => {
  const buyer = member()
  const cart = await cartOf(buyer)
  const item = `${cart.path}/items/${typedId('prd', boundOffer.product)}`
  const send = async (method: string, path: string, body?: unknown) => {
    const headers = { ...buyer.headers, ...key(), 'content-type': 'application/json' }
    const json = JSON.stringify(body)
    const response = await exports.default.fetch(
      new Request(`http://orders${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: json }),
      }),
    )
    return { status: response.status, text: await response.text() }
  }

  const added = await send('PUT', item, { quantity: 2 })
  const placed = await send('POST', '/v1/orders', {
    cart: cart.id,
    payment: { token: 'tok_good' },
  })

  expect(added).toEqual({ status: 204, text: '' })
  expect(placed.status).toBe(201)
  expect(JSON.parse(placed.text)).toMatchObject({
    state: 'confirmed',
    totalMinor: 2 * boundOffer.priceMinor,
  })
  const { id } = JSON.parse(placed.text) as { id: string }
  const shown = await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })
  expect(shown.text).toBe(placed.text)
  expect((await put(cart, boundOffer)).response.status).toBe(404)
})
