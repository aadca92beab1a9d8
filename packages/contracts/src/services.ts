import type { Fetcher } from '@stoa/kernel'

import { catalog } from './catalog.ts'
import { notifier } from './notifier.ts'
import { orders } from './orders.ts'
import { payments } from './payments.ts'
import { procurement } from './procurement.ts'
import { reconciler } from './reconciler.ts'
import { relay } from './relay.ts'
import type { Route } from './route.ts'
import { social } from './social.ts'
import { stats } from './stats.ts'
import { users } from './users.ts'
import { warehouse } from './warehouse.ts'

/** The services behind the gateway, with the routes that each serves. */
export const services = {
  users,
  social,
  catalog,
  orders,
  warehouse,
  procurement,
  stats,
  notifier,
  payments,
  reconciler,
  relay,
} as const satisfies Record<string, Readonly<Record<string, Route>>>

export type Service = keyof typeof services

/** The services that listen to events, each at `/_inbox/<service>`. */
export const consumers = ['social', 'catalog', 'orders', 'warehouse', 'stats', 'notifier'] as const

export type Consumer = (typeof consumers)[number]

/** How a service reaches the others and outlives an answer; given by whoever deploys it. */
export type Links = {
  /** A service binding, or the service's own app in this process. */
  fetcher(this: void, service: Service): Fetcher
  /** Keeps the isolate alive for work after the answer. */
  defer(this: void, work: Promise<unknown>): void
}
