import { Receiver } from '@upstash/qstash'
import { describe, expect, test } from 'vitest'

import { deliveryOf, signDelivery } from '../src/deliver.ts'

const receiver = new Receiver({
  currentSigningKey: 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r',
  nextSigningKey: 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs',
})

describe('a signed delivery', () => {
  test('is believed by the official receiver, for its URL and its body alone', async () => {
    const url = 'http://127.0.0.1:9/_inbox/orders'
    const signature = await signDelivery(url, '{"events":[]}')
    const check = (body: string, at: string) =>
      receiver.verify({ signature, body, url: at }).catch(() => false)

    expect(await check('{"events":[]}', url)).toBe(true)
    expect(await check('{"events":[1]}', url)).toBe(false)
    expect(await check('{"events":[]}', `${url}/other`)).toBe(false)
  })

  test('goes to the inbox of its consumer', async () => {
    const request = await deliveryOf('stats', [{ id: 'x' }], 'https://api.example')

    expect(request.url).toBe('https://api.example/_inbox/stats')
    expect(await request.json()).toEqual({ events: [{ id: 'x' }] })
    expect(request.headers.get('upstash-signature')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  })
})
