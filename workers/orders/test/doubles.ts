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
export type Held = Branch & {
  /** The last two are what became of what was confirmed when its order was cancelled. */
  state: 'tried' | 'confirmed' | 'cancelled' | 'void' | 'released' | 'returned'
}

type Reply = { readonly outcome: 'done' | 'refused' | 'pending'; readonly code?: string }

type Behaviour = {
  /** What a participant says of a new try; `undefined` takes it. */
  readonly refusal: (branch: Branch) => Reply | undefined
  readonly confirmed?: (branch: Branch) => void
  readonly cancelled?: (branch: Branch) => void
}

/** A participant in memory that behaves as one behind a barrier; `undefined` is a breach of the protocol. */
function participant({ refusal, confirmed, cancelled }: Behaviour, held: Map<string, Held>) {
  return (branch: Branch): Reply | undefined => {
    const key = `${branch.gid}|${branch.branch}`
    const known = held.get(key)
    if (branch.op === 'try') {
      if (known !== undefined)
        return known.state === 'cancelled' || known.state === 'void'
          ? { outcome: 'refused', code: 'hanging' }
          : { outcome: 'done' }
      const refused = refusal(branch)
      if (refused === undefined) held.set(key, { ...branch, state: 'tried' })
      return refused ?? { outcome: 'done' }
    }
    if (branch.op === 'confirm') {
      if (known === undefined || known.state === 'cancelled' || known.state === 'void')
        return undefined
      if (known.state === 'tried') {
        known.state = 'confirmed'
        confirmed?.(branch)
      }
      return { outcome: 'done' }
    }
    if (known?.state === 'confirmed') return undefined
    if (known === undefined) held.set(key, { ...branch, state: 'void' })
    else if (known.state === 'tried') {
      known.state = 'cancelled'
      cancelled?.(branch)
    }
    return { outcome: 'done' }
  }
}

type Asked = { readonly url: string; json(): Promise<unknown> }

function answering(run: (branch: Branch, path: string) => Reply | undefined) {
  return async (request: Asked): Promise<Response> => {
    // What a typed client of the contract sends.
    const reply = run((await request.json()) as Branch, new URL(request.url).pathname)
    return reply === undefined ? problem(409, 'branch_out_of_order') : Response.json(reply)
  }
}

function isOpen({ state }: Held): boolean {
  return state === 'tried' || state === 'confirmed'
}

/**
 * A warehouse with `stock` units of some products, by raw id, and enough of all others. What one saga has reserved for an
 * order another finds, and may give back.
 */
export function warehouseDouble(stock: ReadonlyMap<string, number>, held: Map<string, Held>) {
  const ofOthers = ({ gid, order, product }: Branch): Held | undefined =>
    [...held.values()].find(
      (each) => each.order === order && each.product === product && each.gid !== gid,
    )
  const reserve = participant(
    {
      refusal: ({ product = '', quantity = 0 }) => {
        const units = stock.get(product.slice('prd_'.length))
        if (units === undefined) return undefined
        const open = [...held.values()].filter((each) => each.product === product && isOpen(each))
        const promised = open.reduce((sum, each) => sum + (each.quantity ?? 0), 0)
        return promised + quantity <= units
          ? undefined
          : { outcome: 'refused', code: 'out_of_stock' }
      },
    },
    held,
  )
  const restock = participant(
    {
      refusal: (branch) => {
        const own = ofOthers(branch)
        return own !== undefined && isOpen(own)
          ? undefined
          : { outcome: 'refused', code: 'hanging' }
      },
      cancelled: (branch) => {
        const own = ofOthers(branch)
        if (own !== undefined && isOpen(own)) own.state = 'released'
      },
    },
    new Map(),
  )
  return answering((branch) => (ofOthers(branch) === undefined ? reserve(branch) : restock(branch)))
}

/** A provider that refuses or does not know by what the token says, as sandboxes do. */
export function paymentsDouble(answered: ReadonlySet<string>, held: Map<string, Held>) {
  const pay = participant(
    {
      refusal: ({ order, method }) => {
        const token = method?.token ?? ''
        if (token === 'tok_declined') return { outcome: 'refused', code: 'card_declined' }
        const isWaiting = token === 'tok_action' && !answered.has(order)
        return isWaiting ? { outcome: 'pending', code: 'requires_action' } : undefined
      },
    },
    held,
  )
  const giveBack = participant(
    {
      refusal: () => undefined,
      confirmed: ({ order }) => {
        for (const each of held.values()) if (each.order === order) each.state = 'returned'
      },
    },
    new Map(),
  )
  return answering((branch, path) => (path.endsWith('/returns') ? giveBack(branch) : pay(branch)))
}
