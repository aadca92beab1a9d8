/**
 * The users and catalog services as far as orders calls them, at home in workerd and, for vitest's service bindings, in
 * Node. A token is a member's id, a dot and 64 hexadecimal digits.
 */
export type OfferedProduct = {
  readonly product: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
  readonly seller: string | null
}

/** What the catalog that is bound to the Worker itself offers. */
export const boundOffer: OfferedProduct = {
  product: '00000000000000000001',
  title: 'A bound book',
  priceMinor: 1_250,
  currency: 'EUR',
  seller: null,
}

function problem(status: number, code: string): Response {
  return Response.json({ type: '', title: '', status, code }, { status })
}

export function usersDouble(request: { readonly headers: Headers }): Response {
  const authorization = request.headers.get('authorization') ?? ''
  const [, member] = /^Bearer ([0-9A-Z]{20})\.[0-9a-f]{64}$/.exec(authorization) ?? []
  if (member === undefined) return problem(401, 'session_ended')
  const expiresAt = '2100-01-01T00:00:00.000Z'
  return Response.json({ id: `ses_${member}`, member: `usr_${member}`, expiresAt })
}

/** Offers what `offers` holds at the moment of the call, by raw product id. */
export function catalogDouble(offers: ReadonlyMap<string, OfferedProduct>) {
  return (request: { readonly url: string }): Response => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '/v1/offers') return problem(404, 'route_not_found')
    const asked = searchParams.get('products')?.split(',') ?? []
    if (asked.length < 1 || asked.length > 100) return problem(400, 'invalid_request')
    const found = asked.flatMap((typed) => offers.get(typed.replace(/^prd_/, '')) ?? [])
    return Response.json({
      offers: found.map((offer) => ({
        ...offer,
        product: `prd_${offer.product}`,
        seller: offer.seller === null ? null : `usr_${offer.seller}`,
      })),
    })
  }
}
