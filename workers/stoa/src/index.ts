import type { Links, Service as ServiceName } from '@stoa/contracts'
import { createGateway } from '@stoa/gateway/app'
import type { Service } from '@stoa/http'
import { waitUntil } from 'cloudflare:workers'

type Create = (env: unknown, links: Links) => Service

/** Each service is loaded on its first use, so that the start stays short. */
const load: Readonly<Record<ServiceName, () => Promise<Create>>> = {
  users: async () => (await import('@stoa/users/app')).createUsers,
  catalog: async () => (await import('@stoa/catalog/app')).createCatalog,
  stats: async () => (await import('@stoa/stats/app')).createStats,
  social: async () => (await import('@stoa/social/app')).createSocial,
  warehouse: async () => (await import('@stoa/warehouse/app')).createWarehouse,
  procurement: async () => (await import('@stoa/procurement/app')).createProcurement,
  notifier: async () => (await import('@stoa/notifier/app')).createNotifier,
  payments: async () => (await import('@stoa/payments/app')).createPayments,
  reconciler: async () => (await import('@stoa/reconciler/app')).createReconcilerService,
  relay: async () => (await import('@stoa/relay/app')).createRelayService,
  orders: async () => (await import('@stoa/orders/app')).createOrders,
}

const started = new Map<string, Service>()
let gateway: Service | undefined

/** The services of this process, as each other's fetchers. Only finished services are kept, never promises of another request. */
function linksOf(env: unknown): Links {
  const links: Links = {
    defer: waitUntil,
    fetcher: (name) => async (request) => {
      let service = started.get(name)
      if (service === undefined) {
        const create = await load[name]()
        service = create(env, links)
        started.set(name, service)
      }
      return service.fetch(request)
    },
  }
  return links
}

/** The whole system as one Worker: the same apps as the Workers of `workers/`, handed to each other. */
export default {
  fetch(request: Request, env: unknown): Promise<Response> {
    gateway ??= createGateway(env, linksOf(env))
    return gateway.fetch(request)
  },
  /** One cron a deployment, which dispatches. */
  async scheduled(_controller: unknown, env: unknown): Promise<void> {
    const { createRelay } = await import('@stoa/relay/app')
    await createRelay(env, linksOf(env)).sweep()
  },
}
