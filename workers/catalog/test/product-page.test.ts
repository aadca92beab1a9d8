import { DeadlineExceededError, manualClock, rootCall } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { neighbourMs, readProductPage } from '../src/domain/product-page.ts'
import type { Product } from '../src/domain/product.ts'

const product: Product = {
  id: '0000000000000000000A',
  sku: 'lamp',
  title: 'A lamp',
  description: '',
  category: 'lamps',
  priceMinor: 1,
  currency: 'EUR',
  seller: null,
  createdAt: 0,
}

const never = new Promise<never>(() => undefined)

function pageOf(parts: {
  readonly found?: Product | undefined
  readonly available: () => Promise<number>
  readonly sold: () => Promise<number>
}) {
  const clock = manualClock()
  const missing: unknown[] = []
  const page = readProductPage(
    {
      products: { get: async () => ('found' in parts ? parts.found : product) },
      neighbours: parts,
      clock,
      onMissing: (error) => missing.push(error),
    },
    product.id,
    rootCall('test'),
  )
  return { page, clock, missing }
}

describe('the product page', () => {
  test('goes without a neighbour that does not answer in time, and says why', async () => {
    const { page, clock, missing } = pageOf({ available: () => never, sold: async () => 4 })

    clock.advance(neighbourMs)

    expect(await page).toEqual({ ...product, available: null, sold: 4 })
    expect(missing).toEqual([expect.any(DeadlineExceededError)])
  })

  test('goes without both when both fail', async () => {
    const fail = () => Promise.reject(new Error('broken'))

    const { page } = pageOf({ available: fail, sold: fail })

    expect(await page).toEqual({ ...product, available: null, sold: null })
  })

  test('says that there is no product without waiting for the neighbours', async () => {
    const { page } = pageOf({ found: undefined, available: () => never, sold: () => never })

    await expect(page).rejects.toMatchObject({ code: 'product_not_found' })
  })
})
