import { type Call, Fault } from '@stoa/kernel'

import type { ClaimStore, ProductStore } from './ports.ts'
import { type Product, ProductNotFoundError } from './product.ts'

/** The sku of a product leads to another one: two rows have it, or will. */
export class ClaimHeldError extends Fault {
  override readonly name = 'ClaimHeldError'
  override readonly code = 'claim_held'
  override readonly kind = 'failed_precondition'

  constructor(sku: string) {
    super(`Cannot mend the sku "${sku}" of the product: it leads to another`)
  }
}

type Deps = { readonly products: ProductStore; readonly claims: ClaimStore }

function claimOf(product: string, sku: string) {
  return { kind: 'sku', text: sku, owner: product }
}

async function restore({ claims }: Deps, { id, sku }: Product, call: Call): Promise<void> {
  if (!(await claims.restore(claimOf(id, sku), call))) throw new ClaimHeldError(sku)
}

/**
 * Makes an entry by which a product is found say what the product's row says: it is put in, confirmed, or taken out.
 * Whoever takes one out looks at the row again: a request that took the entry for its own may just have come to its end.
 * Safe to repeat.
 *
 * @throws ClaimHeldError, ProductNotFoundError when neither a row nor a sku says what to mend.
 */
export async function mendClaim(
  deps: Deps,
  { product, sku }: { readonly product: string; readonly sku: string | undefined },
  call: Call,
): Promise<void> {
  const row = await deps.products.read(product, call)
  if (row !== undefined && (sku === undefined || row.sku === sku)) return restore(deps, row, call)
  if (sku === undefined) throw new ProductNotFoundError()
  await deps.claims.remove(claimOf(product, sku), call)
  const again = await deps.products.read(product, call)
  if (again?.sku === sku) await restore(deps, again, call)
  return undefined
}
