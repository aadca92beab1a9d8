import { manualClock } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { openQuote, sealQuote } from '../src/domain/quote.ts'
import { hmacQuotes } from '../src/store/quotes.ts'
import { ask, calls, cartOf, member, offer, offers, type OpenCart, order, put } from './world.ts'

async function quoteOf(cart: OpenCart): Promise<string | undefined> {
  const { body } = await ask('GET', cart.path, { headers: cart.headers })
  const quote = body['quote']
  return typeof quote === 'string' ? quote : undefined
}

async function filled() {
  const buyer = member()
  const cart = await cartOf(buyer)
  const book = offer()
  await put(cart, book, { quantity: 2 })
  return { buyer, cart, book, quote: (await quoteOf(cart)) ?? '' }
}

describe('a quote', () => {
  test('is what the order costs, though the price has changed and the product is gone', async () => {
    const { buyer, cart, book, quote } = await filled()
    offers.set(book.product, { ...book, priceMinor: 9_000 })
    const before = calls.catalog
    const dear = await order(buyer, cart, { quote })
    const other = await filled()
    offers.delete(other.book.product)

    const gone = await order(other.buyer, other.cart, { quote: other.quote })

    expect(calls.catalog - before).toBe(2)
    expect(dear.body).toMatchObject({ state: 'confirmed', totalMinor: 2_000 })
    expect(gone.body).toMatchObject({ state: 'confirmed', totalMinor: 2_000 })
  })

  test('is refused for another cart, and for one that has changed', async () => {
    const { buyer, cart, book, quote } = await filled()
    const other = await filled()

    const foreign = await order(buyer, cart, { quote: other.quote })
    await put(cart, book, { quantity: 3 })
    const changed = await order(buyer, cart, { quote })

    for (const { response, body } of [foreign, changed])
      expect([response.status, body['code']]).toEqual([409, 'quote_stale'])
    expect((await order(buyer, cart)).body).toMatchObject({ totalMinor: 3_000 })
  })

  test('is refused when anything of it was changed', async () => {
    const { buyer, cart, quote } = await filled()
    const [text = '', mac = ''] = quote.split('.')
    const json = JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))) as object
    const cheap = btoa(JSON.stringify({ ...json, totalMinor: 1 })).replaceAll('=', '')

    for (const forged of ['', '.', 'x', text, `${text}.`, `.${mac}`, `${cheap}.${mac}`]) {
      const { response, body } = await order(buyer, cart, { quote: forged })
      expect([forged, response.status, body['code']]).toEqual([forged, 400, 'quote_invalid'])
    }
  })

  test('is not needed by a repeat of the order', async () => {
    const { buyer, cart, quote } = await filled()
    const key = crypto.randomUUID()

    const first = await order(buyer, cart, { quote, key })
    const again = await order(buyer, cart, { quote, key })

    expect(again.text).toBe(first.text)
  })

  test('is given for what can be ordered alone', async () => {
    const empty = await cartOf(member())
    const { buyer, cart, book } = await filled()
    offers.delete(book.product)
    const gone = await quoteOf(cart)
    offers.set(book.product, book)
    await order(buyer, cart)

    expect([await quoteOf(empty), gone, await quoteOf(cart)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test('ends after 15 minutes, and with another secret', async () => {
    const product = '00000000000000000001'
    const line = { product, title: 'A book', priceMinor: 100, seller: null, quantity: 1 }
    const quote = { lines: [line], totalMinor: 100, currency: 'EUR', gone: [] }
    const items = [{ product, quantity: 1 }]
    const about = { member: product, secretHash: null, version: 1, orderedBy: null, items }
    const cart = { id: product, ...about }
    const at = (now: number, secret = 'one') => {
      return { quotes: hmacQuotes(secret), clock: manualClock(now) }
    }
    const text = (await sealQuote(at(0), cart, quote)) ?? ''

    expect(await openQuote(at(899_999), cart, text)).toMatchObject({ totalMinor: 100 })
    await expect(openQuote(at(900_000), cart, text)).rejects.toMatchObject({
      code: 'quote_expired',
    })
    await expect(openQuote(at(0, 'two'), cart, text)).rejects.toMatchObject({
      code: 'quote_invalid',
    })
  })
})
