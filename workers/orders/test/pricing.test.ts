import { createIds, manualClock, seededRandom } from '@stoa/kernel'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  lineTotal,
  MixedCurrenciesError,
  type Offer,
  quoteOf,
  totalMinorMax,
  TotalTooLargeError,
} from '../src/domain/pricing.ts'

const ids = createIds({ clock: manualClock(1_700_000_000_000), random: seededRandom(2) })

function offerOf(priceMinor: number, currency = 'EUR'): Offer {
  return { product: ids.root('p'), title: 'A book', priceMinor, currency, seller: null }
}

function offersOf(...offers: readonly Offer[]): ReadonlyMap<string, Offer> {
  return new Map(offers.map((each) => [each.product, each]))
}

const priced = fc.array(
  fc.record({
    price: fc.integer({ min: 0, max: 10_000_000 }),
    quantity: fc.integer({ min: 1, max: 999 }),
    isOffered: fc.boolean(),
  }),
  { maxLength: 50 },
)

describe('a quote', () => {
  test('adds up its lines, and each item is either a line or gone', () => {
    fc.assert(
      fc.property(priced, (given) => {
        const all = given.map((each) => ({ ...each, offer: offerOf(each.price) }))
        const items = all.map(({ offer, quantity }) => ({ product: offer.product, quantity }))
        const offered = all.filter(({ isOffered }) => isOffered)

        const quote = quoteOf(items, offersOf(...offered.map(({ offer }) => offer)))

        expect(quote.totalMinor).toBe(
          offered.reduce((sum, { price, quantity }) => sum + price * quantity, 0),
        )
        expect(quote.totalMinor).toBe(quote.lines.reduce((sum, line) => sum + lineTotal(line), 0))
        expect(quote.lines.length + quote.gone.length).toBe(items.length)
        expect(quote.currency).toBe(offered.length === 0 ? null : 'EUR')
      }),
    )
  })

  test('goes up to the largest total and not one minor unit beyond', () => {
    const largest = offerOf(totalMinorMax)
    const least = offerOf(1)
    const offers = offersOf(largest, least)
    const one = { product: largest.product, quantity: 1 }

    expect(quoteOf([one], offers).totalMinor).toBe(totalMinorMax)
    expect(() => quoteOf([one, { product: least.product, quantity: 1 }], offers)).toThrow(
      TotalTooLargeError,
    )
    expect(() => quoteOf([{ ...one, quantity: 999 }], offers)).toThrow(TotalTooLargeError)
  })

  test('refuses to add up two currencies, and counts none of a product that is gone', () => {
    const euro = offerOf(1)
    const dollar = offerOf(1, 'USD')
    const items = [euro, dollar].map(({ product }) => ({ product, quantity: 1 }))

    expect(() => quoteOf(items, offersOf(euro, dollar))).toThrow(MixedCurrenciesError)
    expect(quoteOf(items, offersOf(euro))).toMatchObject({ currency: 'EUR', totalMinor: 1 })
  })
})
