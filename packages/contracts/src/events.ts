import { z } from 'zod'

import { currency, minorUnits } from './fields.ts'
import type { Consumer } from './services.ts'

/** An id as tables keep it; events never leave the system, so they carry no typed ids. */
const id = z.string().regex(/^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/)
const at = z.int().min(0)
/** What several lines of a product come to may be more than one line may hold. */
const units = z.int().min(1)
const line = z.object({ product: id, quantity: units })

/**
 * Every event there is: what it says, and who is told. Additive only: a field may be added as optional, never changed;
 * a breaking change is a new type beside the old.
 */
export const events = {
  'member.registered': {
    data: z.object({ member: id, handle: z.string(), name: z.string() }),
    consumers: ['social'],
  },
  'member.followed': {
    data: z.object({ follower: id, followee: id }),
    consumers: ['social'],
  },
  'member.unfollowed': {
    data: z.object({ follower: id, followee: id }),
    consumers: ['social'],
  },
  'post.created': {
    data: z.object({ post: id, author: id, text: z.string(), createdAt: at }),
    consumers: ['social', 'stats'],
  },
  /** A fan-out goes on after `after`, the last follower that was served. */
  'post.fanned_out': {
    data: z.object({ post: id, author: id, text: z.string(), createdAt: at, after: id }),
    consumers: ['social'],
  },
  'reply.created': {
    data: z.object({ reply: id, post: id, author: id, createdAt: at }),
    consumers: ['stats'],
  },
  'product.created': {
    data: z.object({
      product: id,
      seller: id.nullable(),
      category: z.string(),
      title: z.string(),
      priceMinor: minorUnits,
      currency,
      stock: z.int().min(0),
    }),
    consumers: ['catalog', 'warehouse'],
  },
  'order.placed': {
    data: z.object({ order: id, buyer: id, lines: z.array(line) }),
    consumers: ['warehouse'],
  },
  'stock.reserved': {
    data: z.object({ order: id, product: id, quantity: units }),
    consumers: ['orders'],
  },
  'stock.refused': {
    data: z.object({ order: id, product: id, quantity: units }),
    consumers: ['orders'],
  },
  /** What is in stock at `tried` did not do for the order: `to` is asked next. */
  'stock.passed_on': {
    data: z.object({ order: id, product: id, quantity: units, to: id, tried: z.array(id) }),
    consumers: ['warehouse'],
  },
  /** Units have left one cell of a product's stock, and are to arrive in another, once. */
  'stock.moved': {
    data: z.object({ product: id, transfer: id, from: id, to: id, quantity: units }),
    consumers: ['warehouse'],
  },
  'order.confirmed': {
    data: z.object({
      order: id,
      buyer: id,
      sellers: z.array(id),
      lines: z.array(line),
      totalMinor: minorUnits,
      currency,
    }),
    consumers: ['notifier', 'stats'],
  },
  'order.rejected': {
    data: z.object({
      order: id,
      buyer: id,
      sellers: z.array(id),
      /** The lines that were reserved and must be released. */
      release: z.array(line),
      missing: z.array(id),
    }),
    consumers: ['warehouse', 'notifier', 'stats'],
  },
  'goods.received': {
    data: z.object({
      purchaseOrder: id,
      receipt: id,
      lines: z.array(z.object({ product: id, received: z.int().min(1) })),
    }),
    consumers: ['warehouse'],
  },
  /** An attempt at a webhook delivery is due. */
  'delivery.due': {
    data: z.object({ delivery: id }),
    consumers: ['notifier'],
  },
} as const satisfies Record<
  string,
  { readonly data: z.ZodType; readonly consumers: readonly Consumer[] }
>

export type EventType = keyof typeof events
export type EventData<T extends EventType> = z.output<(typeof events)[T]['data']>

/** Who is told of an event of this type; nobody, for a type that this version does not know. */
export function consumersOf(type: string): readonly Consumer[] {
  return isEventType(type) ? events[type].consumers : []
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(events, type)
}
