/**
 * The services around orders as far as it calls them, at home in workerd and, for vitest's service bindings, in
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

type Branch = {
  readonly gid: string
  readonly branch: string
  readonly op: 'try' | 'confirm' | 'cancel'
  readonly order: string
  readonly product?: string
  readonly quantity?: number
  readonly amountMinor?: number
  readonly currency?: string
  readonly method?: { readonly token: string }
}

/** How a branch stands: which of its operations was first is final, as behind a barrier. */
export type Held = Branch & { state: 'tried' | 'confirmed' | 'cancelled' | 'void' }

type Reply = { readonly outcome: 'done' | 'refused' | 'pending'; readonly code?: string }

/** What a participant says of a new try; `undefined` takes it. */
type Refusal = (branch: Branch) => Reply | undefined

/** A participant in memory that behaves as one behind a barrier. A breach of the protocol answers 409. */
export function participant(refusal: Refusal, held: Map<string, Held>) {
  const run = (branch: Branch): Reply | undefined => {
    const key = `${branch.gid}|${branch.branch}`
    const known = held.get(key)
    if (branch.op === 'try') {
      if (known !== undefined)
        return known.state === 'tried' || known.state === 'confirmed'
          ? { outcome: 'done' }
          : { outcome: 'refused', code: 'hanging' }
      const refused = refusal(branch)
      if (refused === undefined) held.set(key, { ...branch, state: 'tried' })
      return refused ?? { outcome: 'done' }
    }
    if (branch.op === 'confirm') {
      if (known?.state !== 'tried' && known?.state !== 'confirmed') return undefined
      known.state = 'confirmed'
      return { outcome: 'done' }
    }
    if (known?.state === 'confirmed') return undefined
    if (known === undefined) held.set(key, { ...branch, state: 'void' })
    else if (known.state === 'tried') known.state = 'cancelled'
    return { outcome: 'done' }
  }
  return async (request: { json(): Promise<unknown> }): Promise<Response> => {
    // What a typed client of the contract sends.
    const reply = run((await request.json()) as Branch)
    return reply === undefined ? problem(409, 'branch_out_of_order') : Response.json(reply)
  }
}

/** A warehouse with `stock` units of some products, by raw id, and enough of all others. */
export function warehouseDouble(stock: ReadonlyMap<string, number>, held: Map<string, Held>) {
  return participant(({ product = '', quantity = 0 }) => {
    const units = stock.get(product.slice('prd_'.length))
    if (units === undefined) return undefined
    const open = [...held.values()].filter(
      (each) => each.product === product && (each.state === 'tried' || each.state === 'confirmed'),
    )
    const promised = open.reduce((sum, each) => sum + (each.quantity ?? 0), 0)
    return promised + quantity <= units ? undefined : { outcome: 'refused', code: 'out_of_stock' }
  }, held)
}

/** A provider that refuses or does not know by what the token says, as sandboxes do. */
export function paymentsDouble(
  answered: ReadonlySet<string>,
  held: Map<string, Held>,
): ReturnType<typeof participant> {
  return participant(({ order, method }) => {
    const token = method?.token ?? ''
    if (token === 'tok_declined') return { outcome: 'refused', code: 'card_declined' }
    const isWaiting = token === 'tok_action' && !answered.has(order)
    return isWaiting ? { outcome: 'pending', code: 'requires_action' } : undefined
  }, held)
}
