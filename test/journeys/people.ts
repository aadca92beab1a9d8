import { clientOf, fetcherAt, services } from '@stoa/contracts'
import { gateway } from '@stoa/contracts/gateway'
import { rootCall } from '@stoa/kernel'
import { type System, testTokens } from '@stoa/testing'

const password = 'correct horse battery'
let counter = 0

/** A name nobody has yet, the same length always. */
export function unique(prefix: string): string {
  counter += 1
  return `${prefix}_${Date.now().toString(36)}_${counter}`
}

/** Typed clients of the running system, through its one public door. */
export function apiOf(url: string) {
  const send = fetcherAt(url)
  return {
    gateway: clientOf(gateway, send),
    users: clientOf(services.users, send),
    social: clientOf(services.social, send),
    catalog: clientOf(services.catalog, send),
    orders: clientOf(services.orders, send),
    warehouse: clientOf(services.warehouse, send),
    payments: clientOf(services.payments, send),
    procurement: clientOf(services.procurement, send),
    stats: clientOf(services.stats, send),
    notifier: clientOf(services.notifier, send),
  }
}

export type Api = ReturnType<typeof apiOf>

export const call = () => rootCall(unique('journey'))

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

export function keyed(token: string, key: string = crypto.randomUUID()): Record<string, string> {
  return { ...bearer(token), 'idempotency-key': key }
}

export const staff = { operator: testTokens.operator, importer: testTokens.importer } as const

export type Person = { readonly id: string; readonly handle: string; readonly token: string }

/** Registers somebody and logs in. */
export async function newPerson({ users }: Api, prefix = 'p'): Promise<Person> {
  const handle = unique(prefix)
  const body = { handle, email: `${handle}@example.com`, password, name: handle }
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const { id } = await users.register({ headers, body }, call())
  const { token } = await users.logIn({ body: { login: handle, password } }, call())
  return { id, handle, token }
}

/** Makes a category and answers its key. */
export async function newCategory({ catalog }: Api): Promise<string> {
  const key = unique('cat')
  const lines = [{ line: 1, key, name: 'Lamps', path: [{ key, name: 'Lamps' }] }]
  await catalog.importCategories({ headers: bearer(staff.importer), body: { lines } }, call())
  return key
}

type Offer = { readonly category: string; readonly stock: number; readonly priceMinor?: number }

export function newProduct({ catalog }: Api, seller: Person, offer: Offer) {
  const body = {
    sku: unique('SKU'),
    title: 'A lamp',
    description: 'It shines.',
    priceMinor: 2_500,
    currency: 'EUR',
    ...offer,
  }
  return catalog.createProduct({ headers: keyed(seller.token), body }, call())
}

/** A card that the sandbox provider takes. */
export const payment = { token: 'tok_visa' } as const

/** A cart with `quantity` of each product in it. */
export async function newCart(
  { orders }: Api,
  buyer: Person,
  items: readonly { readonly product: string; readonly quantity: number }[],
): Promise<string> {
  const cart = await orders.createCart({ headers: keyed(buyer.token), body: {} }, call())
  for (const { product, quantity } of items) {
    const params = { cart: cart.id, product }
    await orders.setCartItem({ headers: bearer(buyer.token), params, body: { quantity } }, call())
  }
  return cart.id
}

type LocalPort = keyof System['local']['ports']

/** A control route of one of the local servers. */
export async function control(
  { local }: System,
  server: LocalPort,
  request: { readonly method?: string; readonly path: string; readonly body?: unknown },
): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${local.ports[server]}/_local/${request.path}`, {
    method: request.method ?? 'GET',
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`the control route answered ${response.status}: ${text}`)
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}
