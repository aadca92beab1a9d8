import { catalog } from './catalog.ts'
import { notifier } from './notifier.ts'
import { orders } from './orders.ts'
import { procurement } from './procurement.ts'
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
} as const satisfies Record<string, Readonly<Record<string, Route>>>

export type Service = keyof typeof services

/** The services that listen to events, each at `/_inbox/<service>`. */
export const consumers = ['social', 'catalog', 'orders', 'warehouse', 'stats', 'notifier'] as const

export type Consumer = (typeof consumers)[number]
