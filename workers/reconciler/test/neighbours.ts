type Create = (
  env: unknown,
  links: {
    fetcher(service: string): (request: Request) => Promise<Response>
    defer(work: Promise<unknown>): void
  },
) => { fetch(request: Request): Promise<Response> }

/** Services that mend something of their own, by the name of their binding, with what makes them. */
const makers = {
  USERS: ['users', 'createUsers'],
  SOCIAL: ['social', 'createSocial'],
  CATALOG: ['catalog', 'createCatalog'],
  ORDERS: ['orders', 'createOrders'],
  PAYMENTS: ['payments', 'createPayments'],
  WAREHOUSE: ['warehouse', 'createWarehouse'],
  NOTIFIER: ['notifier', 'createNotifier'],
  STATS: ['stats', 'createStats'],
} as const

/** What Miniflare hands over, which is no `Request` of this process. */
type Handed = {
  readonly url: string
  readonly method: string
  readonly headers: Iterable<[string, string]>
  text(): Promise<string>
}

/**
 * The services themselves, each in its own app, bound as a deployment binds them. No worker knows another: they are found
 * by their place, on the side of whoever starts the test.
 */
export function realNeighbours(env: unknown) {
  return Object.fromEntries(
    Object.entries(makers).map(([binding, [folder, maker]]) => {
      const place = new URL(`../../${folder}/src/app.ts`, import.meta.url).href
      const load = async () => {
        const app = (await import(/* @vite-ignore */ place)) as Readonly<Record<string, Create>>
        const create = app[maker]
        if (create === undefined) throw new Error(`${place} has no ${maker}`)
        const fetcher = () => () => Promise.reject(new Error('no other service is asked'))
        return create(env, { fetcher, defer: (work) => void work.catch(() => undefined) })
      }
      let service: ReturnType<typeof load> | undefined
      const answer = async (request: Handed): Promise<Response> => {
        service ??= load()
        const { url, method } = request
        const body = method === 'GET' ? {} : { body: await request.text() }
        const headers = new Headers([...request.headers])
        return (await service).fetch(new Request(url, { method, headers, ...body }))
      }
      return [binding, answer]
    }),
  )
}
