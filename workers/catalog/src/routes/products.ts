import { catalog } from '@stoa/contracts/catalog'
import { type Service, report } from '@stoa/http'
import { type Call, isFault, parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { createProduct } from '../domain/create-product.ts'
import { importProducts } from '../domain/import-products.ts'
import { readProductPage } from '../domain/product-page.ts'
import { type Offer, type Product, ProductNotFoundError } from '../domain/product.ts'

function presentSeller(seller: string | null): string | null {
  return seller === null ? null : typedId('usr', seller)
}

function present({ id, seller, createdAt, ...content }: Product) {
  return {
    id: typedId('prd', id),
    ...content,
    seller: presentSeller(seller),
    createdAt: new Date(createdAt).toISOString(),
  }
}

function presentOffer({ id, seller, ...content }: Offer) {
  return { product: typedId('prd', id), ...content, seller: presentSeller(seller) }
}

/** A neighbour's refusal or silence is its own affair; anything else is a bug, and told. */
function onMissing(error: unknown, { requestId }: Call): void {
  if (!isFault(error)) report(error, requestId)
}

export function serveProducts(service: Service, deps: Deps): void {
  service.serve(catalog.createProduct, async ({ body }, context) => {
    const asked = Promise.all([context.once(), context.member()]).then(([once, seller]) => {
      return { once, seller }
    })
    const { reply, replayed } = await createProduct(deps, { asked, draft: body }, context.call)
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(catalog.getProduct, async ({ params }, { call }) => {
    const id = parseTypedId('prd', params.product)
    const { available, sold, ...product } = await readProductPage({ ...deps, onMissing }, id, call)
    return { ...present(product), available, sold }
  })

  service.serve(catalog.getOffers, async ({ query }, { call }) => {
    const ids = query.products.map((text) => parseTypedId('prd', text))
    return { offers: (await deps.products.offers(ids, call)).map(presentOffer) }
  })

  service.serve(catalog.getSku, async ({ params }, { call }) => {
    const product = await deps.products.findBySku(params.sku, call)
    if (product === undefined) throw new ProductNotFoundError()
    return present(product)
  })

  service.serve(catalog.importProducts, async ({ body }, { call, principal }) => {
    await principal()
    const lines = body.lines.map(({ line: _line, seller, ...draft }) => ({
      ...draft,
      seller: seller === undefined ? null : parseTypedId('usr', seller),
    }))
    const outcomes = await importProducts(deps, lines, call)
    return {
      results: outcomes.map((each, index) => {
        const line = body.lines[index]?.line ?? 0
        return each.outcome === 'refused'
          ? { line, ...each }
          : { line, outcome: each.outcome, id: typedId('prd', each.id) }
      }),
    }
  })
}
