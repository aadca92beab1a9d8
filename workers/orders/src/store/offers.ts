import type { Client } from '@stoa/contracts'
import type { catalog } from '@stoa/contracts/catalog'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Offers } from '../domain/ports.ts'

/** Prices from the catalogue. A cart's products fit one call: it takes 100, and a cart holds 50. */
export function catalogOffers(client: Pick<Client<typeof catalog>, 'getOffers'>): Offers {
  return {
    of: async (products, call) => {
      if (products.length === 0) return new Map()
      const query = { products: products.map((product) => typedId('prd', product)).join() }
      const { offers } = await client.getOffers({ query }, call)
      return new Map(
        offers.map(({ product: typed, seller, ...offer }) => {
          const product = parseTypedId('prd', typed)
          const raw = seller === null ? null : parseTypedId('usr', seller)
          return [product, { ...offer, product, seller: raw }]
        }),
      )
    },
  }
}
