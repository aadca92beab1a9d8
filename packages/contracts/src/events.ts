import { z } from 'zod'

import { currency, minorUnits } from './fields.ts'
import type { Consumer } from './services.ts'

/** An id as tables keep it; events never leave the system, so they carry no typed ids. */
const id = z.string().regex(/^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/)
const at = z.int().min(0)
/** What several lines of a product come to may be more than one line may hold. */
const units = z.int().min(1)
const line = z.object({ product: id, quantity: units })
/** One operation of a provider on a payment; the amount is the operation's, and may be 0 where nothing was promised. */
const paymentFact = z.object({
  payment: id,
  buyer: id,
  order: id.nullable(),
  operation: z.string(),
  amountMinor: minorUnits,
  currency,
})

type Definition = {
  readonly data: z.ZodType
  readonly consumers: readonly Consumer[]
  /** Of what `data` means; 1 when absent. */
  readonly version?: number
  /** What makes the data of a version that of the next, by the older number; one for each version but the newest. */
  readonly upgrades?: Readonly<Record<number, (data: unknown) => unknown>>
}

/**
 * Every event there is: what it says, and who is told. Additive only: a field may be added as optional, never changed;
 * a breaking change is a new type beside the old, or a new `version` with the upgrade that lifts what was written before.
 * Deploy the consumers first: they refuse a version that they do not know.
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
    consumers: [],
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
      /** The products that were not in stock. */
      missing: z.array(id),
      /** Why the payment was refused, when it was. */
      payment: z.string().optional(),
    }),
    consumers: ['notifier', 'stats'],
  },
  /** Its money goes back and its units are free again; who asked for it. Sequence number 3, after `order.confirmed`. */
  'order.cancelled': {
    data: z.object({
      order: id,
      buyer: id,
      sellers: z.array(id),
      lines: z.array(line),
      totalMinor: minorUnits,
      currency,
      by: z.enum(['buyer', 'operator']),
    }),
    consumers: ['notifier', 'stats'],
  },
  'goods.received': {
    data: z.object({
      purchaseOrder: id,
      receipt: id,
      lines: z.array(z.object({ product: id, received: z.int().min(1) })),
    }),
    consumers: ['warehouse'],
  },
  /** Counts wait in the logs: says nothing of them, and is lost without harm. No outbox holds it. */
  'counts.waiting': {
    data: z.object({}),
    consumers: ['stats'],
  },
  /** An attempt at a webhook delivery is due. */
  'delivery.due': {
    data: z.object({ delivery: id }),
    consumers: ['notifier'],
  },
  /** The provider promises the money. Of a top-up there is no order. */
  'payment.authorised': { data: paymentFact, consumers: ['orders'] },
  'payment.declined': { data: paymentFact.extend({ code: z.string() }), consumers: ['orders'] },
  'payment.action_required': { data: paymentFact, consumers: [] },
  'payment.captured': { data: paymentFact, consumers: ['orders'] },
  'payment.voided': { data: paymentFact, consumers: ['orders'] },
  'payment.refunded': { data: paymentFact, consumers: ['orders'] },
  'payment.charged_back': { data: paymentFact, consumers: ['orders'] },
  /** The provider refused what an operator asked for. */
  'payment.operation_failed': { data: paymentFact.extend({ code: z.string() }), consumers: [] },
  /** An endpoint is to be sent what it lacks of its member's events since a time, from the one after `after` on. */
  'endpoint.replay_asked': {
    data: z.object({ endpoint: id, since: at, all: z.boolean(), after: at }),
    consumers: ['notifier'],
  },
} as const satisfies Record<string, Definition>

export type EventType = keyof typeof events
export type EventData<T extends EventType> = z.output<(typeof events)[T]['data']>

/** Who is told of an event of this type; nobody, for a type that this version does not know. */
export function consumersOf(type: string): readonly Consumer[] {
  return isEventType(type) ? events[type].consumers : []
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(events, type)
}

/** The version of a type's contract that this code writes, and the newest that it reads. */
export function versionOf(type: EventType): number {
  const definition: Definition = events[type]
  return definition.version ?? 1
}

/** What `data` of an older version says in the words of this one. */
export function upgraded(type: EventType, version: number, data: unknown): unknown {
  const definition: Definition = events[type]
  let lifted = data
  for (let from = version; from < versionOf(type); from += 1)
    lifted = definition.upgrades?.[from]?.(lifted) ?? lifted
  return lifted
}
