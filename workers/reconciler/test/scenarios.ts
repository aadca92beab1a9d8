import { keyOfOperation } from '../src/domain/money.ts'
import { force, ids, newId, select, show, type World, write } from './harness.ts'
import {
  bookLate,
  failedCapture,
  inboxed,
  insert,
  refund,
  seedCancellation,
  seedClaim,
  seedCount,
  seedEdge,
  seedEvent,
  seedMember,
  seedMoney,
  seedOrder,
  seedPayment,
  seedProduct,
  seedReleased,
  seedSaga,
  seedStock,
  voidAll,
} from './seed.ts'

/** A break that was put in, and what is to become of it. */
export type Injected = {
  readonly comparison: string
  readonly class: string
  readonly key: string
  readonly action: string
  /** Who mends it; absent when only a person may. */
  readonly mend?: () => Promise<void>
  /** How long it is left first, in days. */
  readonly holdDays?: number
}

type Inject = (at: number, world: World) => Promise<Injected>

function money(operation: string, at: number, payment: string | null, amount = 500) {
  return { operation, payment, kind: 'capture', amount, currency: 'EUR', at } as const
}

/** Records as they should be, of everything that is compared. */
export async function seedClean(at: number, { provided, clock }: World): Promise<void> {
  const paid = await seedOrder({ at })
  const operation = `op_${newId()}`
  const payment = await seedPayment({ order: paid, at, captures: [{ operation, amount: 500 }] })
  provided.push(money(operation, at, payment))
  await seedSaga('orders', { id: paid, state: 'done', at })
  await seedMoney({ payment, order: paid, at, heard: 500 })
  await seedCancelled(at)
  await seedOrder({ at, state: 'rejected' })
  await seedOrder({ at, total: 0 })
  await seedStock({ at, reserved: 3, open: [{ order: paid, quantity: 3 }] })
  const { follower } = await seedEdge({ at })
  await seedMember({ at })
  await seedProduct({ at })
  for (const kind of ['member', 'product', 'post'] as const)
    await seedCount({ now: clock.now(), kind, shown: { views: 5, ago: 10_000 } })
  const author = newId()
  await write(
    'social',
    author,
    insert('profile', { member: author, posts: 1 }),
    insert('post', { id: ids.child(author), author, text: 'x', created_at: at }),
  )
  await write('stats', author, insert('counter', { subject: author, metric: 'posts', n: 1 }))
  await seedEvent('users', { type: 'member.registered', data: { member: follower }, at })
  const seller = newId()
  const data = { order: paid, buyer: paid, sellers: [seller], lines: [] }
  const event = await seedEvent('orders', { key: paid, seq: 2, type: 'order.confirmed', data, at })
  await write('notifier', paid, inboxed('notifier:buyer', paid, event, at))
  await write('stats', paid, inboxed('stats', paid, event, at))
  await seedWebhook(seller, { event, at, state: 'delivered' })
}

/** An order that was cancelled, with its money back and everybody told. */
async function seedCancelled(at: number): Promise<void> {
  const order = await seedOrder({ at })
  await seedCancellation({ order, at })
  const payment = await seedPayment({ order, at, voided: 500 })
  await seedMoney({ payment, order, at, type: 'voided', heard: 500 })
  const data = { order, buyer: order, sellers: [], lines: [], by: 'buyer' }
  const event = await seedEvent('orders', { key: order, seq: 3, type: 'order.cancelled', data, at })
  await write('notifier', order, inboxed('notifier:buyer', order, event, at))
  await write('stats', order, inboxed('stats', order, event, at))
}

async function seedWebhook(
  member: string,
  {
    event,
    at,
    state,
  }: {
    readonly event: string
    readonly at: number
    readonly state?: 'delivered' | 'failed' | undefined
  },
): Promise<string> {
  const endpoint = ids.child(member)
  const told = { type: 'order.confirmed', payload: '{}' }
  await write(
    'notifier',
    member,
    insert('webhook_endpoint', {
      id: endpoint,
      member,
      url: 'https://example.org',
      types: '["order.confirmed"]',
      secret: 's',
      created_at: at - 1,
    }),
    insert('merchant_event', { member, seq: 1, event_id: event, ...told, at }),
    ...(state === undefined
      ? []
      : [
          insert('delivery', {
            id: ids.child(member),
            endpoint,
            event_id: event,
            ...told,
            state,
            created_at: at,
            done_at: at,
          }),
        ]),
  )
  return endpoint
}

async function seedProfile(member: string, counts: Readonly<Record<string, number>> = {}) {
  await write('social', member, insert('profile', { member, ...counts }))
}

/** Money: under way, given back, promised and refused, taken by an operator. None of it is a break. */
async function seedNearMoney(at: number, now: number, { provided }: World): Promise<void> {
  const waiting = await seedOrder({ at: now - 600_000, state: 'pending' })
  await seedSaga('orders', {
    id: waiting,
    state: 'trying',
    at: now - 600_000,
    deadline: now + 600_000,
  })
  await seedPayment({ order: waiting, at: now - 600_000, isBound: false })
  const refused = await seedOrder({ at, state: 'rejected' })
  await seedSaga('orders', { id: refused, state: 'cancelled', at })
  const given = await seedPayment({ order: refused, at, isBound: false, voided: 500 })
  const refunded = await seedOrder({ at })
  const operations = [`op_${newId()}`, `op_${newId()}`] as const
  const captures = [{ operation: operations[0], amount: 500 }]
  const payment = await seedPayment({ order: refunded, at, captures })
  await refund(payment, { operation: operations[1], amount: 200, at })
  provided.push(money(operations[0], at, payment), {
    ...money(operations[1], at, payment, 200),
    kind: 'refund',
  })
  await failedCapture(given, at)
}

/** Orders on their way back, and one that stayed; what a bank took back; money of no order that is here. */
async function seedNearCancelled(at: number, { provided }: World): Promise<void> {
  const ways = [
    { state: 'pending', saga: 'trying' },
    { state: 'cancelled', saga: 'confirming' },
    { state: 'refused', saga: 'cancelled' },
  ] as const
  for (const way of ways) {
    const order = await seedOrder({ at })
    await seedCancellation({ order, at, ...way })
    await seedPayment({ order, at })
  }
  const disputed = await seedOrder({ at })
  await seedCancellation({ order: disputed, at })
  const [taken, back] = [`op_${newId()}`, `op_${newId()}`] as const
  const captures = [{ operation: taken, amount: 300 }]
  const payment = await seedPayment({ order: disputed, at, captures, voided: 200 })
  await refund(payment, { operation: back, amount: 300, at, kind: 'chargeback' })
  provided.push(money(taken, at, payment, 300), {
    ...money(back, at, payment, 300),
    kind: 'chargeback',
  })
  await seedMoney({ payment, order: disputed, at, type: 'charged_back', amount: 300, heard: 300 })
  await seedMoney({ payment: newId(), order: null, at })
  await seedMoney({ payment: newId(), order: newId(), at })
}

/** Counts that were shown before their bucket counted on, that are behind for a moment, or that are not shown at all. */
async function seedNearShown(now: number): Promise<void> {
  await seedCount({ now })
  await seedCount({ now, shown: { views: 5, seq: 7, ago: 7_200_000 } })
  await seedCount({ now, views: 1, isThawed: true, shown: { views: 5, ago: 10_000 } })
  await show(`product:${await seedCount({ now })}`, 'what no reader takes')
  await show(`product:${await seedCount({ now })}`, '1:2:3')
}

/** What looks wrong to a careless eye, and is right: of everything that is compared. */
export async function seedNear(at: number, world: World): Promise<void> {
  await seedNearMoney(at, world.clock.now(), world)
  await seedNearCancelled(at, world)
  await seedNearShown(world.clock.now())
  const order = newId()
  await seedSaga('orders', { id: order, state: 'done', at })
  const product = await seedStock({ at, reserved: 3, open: [{ order, quantity: 3 }] })
  await seedReleased(product, { order: newId(), at })
  const [follower, followee] = [newId(), newId()]
  const ended = { follower, followee, version: 2, active: 0, at }
  await write('social', follower, insert('follow', { ...ended, id: ids.child(follower) }))
  await write('social', followee, insert('follower', ended))
  await seedProfile(follower)
  await seedProfile(followee)
  await write('stats', followee, insert('counter', { subject: followee, metric: 'orders', n: 9 }))
  await seedClaim('users', {
    kind: 'handle',
    text: `p${followee}`,
    owner: newId(),
    at,
    state: 'pending',
  })
  const told = await seedEvent('social', { type: 'post.created', data: { author: followee }, at })
  await write('stats', followee, inboxed('stats', followee, told, at))
  const member = newId()
  const event = newId()
  await seedWebhook(member, { event, at, state: 'delivered' })
  for (const other of [
    { created_at: at + 1 },
    { types: '["order.rejected"]' },
    { state: 'gone' },
  ] as const)
    await write(
      'notifier',
      member,
      insert('webhook_endpoint', {
        id: ids.child(member),
        member,
        url: 'https://example.org',
        types: '["order.confirmed"]',
        secret: 's',
        created_at: at - 1,
        ...other,
      }),
    )
}

function shownWrong(kind: 'member' | 'product' | 'post', key: string): Injected {
  const about = { comparison: `hot_${kind}`, class: 'hot_view_drift', key }
  return { ...about, action: 'refill_hot_view', mend: () => show(`${kind}:${key}`, undefined) }
}

/** Money of a cancelled order, which is voided when it is mended. */
function stillHeld(key: string, payment: string, at: number): Injected {
  const about = { comparison: 'orders', class: 'state_mismatch', key }
  const mend = () => voidAll(payment, at)
  return { ...about, action: 'redrive_payment', mend }
}

/** One break of everything that can be wrong, each in a way of its own. */
export const breaks: Readonly<Record<string, Inject>> = {
  'an order that is confirmed, whose payment was never bound': async (at) => {
    const key = await seedOrder({ at })
    // Its saga has decided, and has time left to say so to the payment.
    await seedSaga('orders', { id: key, state: 'confirming', at, deadline: at + 100 * 86_400_000 })
    const payment = await seedPayment({ order: key, at, isBound: false })
    const sql = 'UPDATE payment SET bound_at = ? WHERE id = ?'
    const mend = () => write('payments', payment, { sql, args: [at, payment] })
    return { comparison: 'orders', class: 'state_mismatch', key, action: 'redrive_payment', mend }
  },
  'an order that says another amount than its payment': async (at) => {
    const key = await seedOrder({ at, total: 400 })
    await seedPayment({ order: key, at })
    return { comparison: 'orders', class: 'amount_mismatch', key, action: 'adjust' }
  },
  'an order that is confirmed and has no payment': async (at) => {
    const key = await seedOrder({ at })
    const about = { comparison: 'orders', class: 'missing_external', key, action: 'suspend' }
    return { ...about, holdDays: 2 }
  },
  'an order that costs nothing and was paid': async (at) => {
    const key = await seedOrder({ at, total: 0 })
    await seedPayment({ order: key, at })
    return { comparison: 'orders', class: 'missing_internal', key, action: 'investigate' }
  },
  'an order that was paid twice': async (at) => {
    const key = await seedOrder({ at })
    await seedPayment({ order: key, at })
    const second = await seedPayment({ order: key, at: at + 1 })
    const mend = () =>
      force('payments', second, { sql: 'DELETE FROM payment WHERE id = ?', args: [second] })
    return {
      comparison: 'orders',
      class: 'duplicate_capture',
      key,
      action: 'refund_duplicate',
      mend,
    }
  },
  'a payment of an order that is nowhere': async (at) => {
    const key = newId()
    const payment = await seedPayment({ order: key, at })
    const mend = () =>
      force('payments', payment, { sql: 'DELETE FROM payment WHERE id = ?', args: [payment] })
    const about = { comparison: 'orders', class: 'missing_internal', key, action: 'refund_unknown' }
    return { ...about, mend, holdDays: 1 }
  },
  'an order that was cancelled, whose money is still promised': async (at) => {
    const key = await seedOrder({ at })
    await seedCancellation({ order: key, at })
    return stillHeld(key, await seedPayment({ order: key, at }), at)
  },
  'an order that was cancelled by a saga that is nowhere': async (at) => {
    const key = await seedOrder({ at })
    await seedCancellation({ order: key, at, saga: null })
    return stillHeld(key, await seedPayment({ order: key, at }), at)
  },
  'money of which its order never heard': async (at) => {
    const [payment, order] = [newId(), await seedOrder({ at, total: 0 })]
    const key = await seedMoney({ payment, order, at })
    const heard = { order_id: order, payment, kind: 'captured', amount_minor: 500, currency: 'EUR' }
    const told = { sql: `SELECT payload ->> 'operation' FROM outbox WHERE id = ?`, args: [key] }
    const mend = async () => {
      const [[operation] = ['']] = await select('payments', told.sql, ...told.args)
      const row = { ...heard, operation: String(operation), at, event: key }
      await write('orders', order, insert('order_money', row))
    }
    const about = { comparison: 'payments_to_orders', class: 'event_gap', key }
    return { ...about, action: 'resend_events', mend }
  },
  'a capture that the provider has and we do not': async (at, { provided, clock }) => {
    const order = await seedOrder({ at })
    const payment = await seedPayment({ order, at })
    const entry = money(`op_${newId()}`, at, payment)
    provided.push(entry)
    const key = keyOfOperation(entry.operation)
    const mend = () => bookLate(payment, entry, clock.now())
    return { comparison: 'statement', class: 'missing_internal', key, action: 'replay_paid', mend }
  },
  'a capture that we have and the provider does not': async (at) => {
    const order = await seedOrder({ at })
    const operation = `op_${newId()}`
    await seedPayment({ order, at, captures: [{ operation, amount: 500 }] })
    const key = keyOfOperation(operation)
    const about = { comparison: 'statement', class: 'missing_external', key, action: 'suspend' }
    return { ...about, holdDays: 2 }
  },
  'a capture of another amount at the provider': async (at, { provided }) => {
    const order = await seedOrder({ at })
    const operation = `op_${newId()}`
    const payment = await seedPayment({ order, at, captures: [{ operation, amount: 500 }] })
    provided.push(money(operation, at, payment, 499))
    const key = keyOfOperation(operation)
    return { comparison: 'statement', class: 'amount_mismatch', key, action: 'adjust' }
  },
  'a capture that was never booked': async (at) => {
    const order = await seedOrder({ at })
    const operation = `op_${newId()}`
    const captures = [{ operation, amount: 500 }]
    const key = await seedPayment({ order, at, captures, isBooked: false })
    const lines = '[["external","EUR",-500],["captured","EUR",500]]'
    const source = `${key}:elsewhere`
    const entry = insert('journal', { account: key, seq: 1, source, kind: 'capture', lines, at })
    const mend = () => write('payments', key, entry)
    return { comparison: 'ledger', class: 'journal_mismatch', key, action: 'republish_order', mend }
  },
  'a balance that its postings do not come to': async (at) => {
    const order = await seedOrder({ at })
    const payment = await seedPayment({ order, at })
    const sql = `UPDATE balance SET credit = credit + 7 WHERE account = ? AND book = 'captured'`
    await force('payments', payment, { sql, args: [payment] })
    const key = `${payment}:captured:EUR`
    return { comparison: 'balances', class: 'balance_drift', key, action: 'investigate' }
  },
  'money that is promised to an order that has ended': async (at) => {
    const key = newId()
    await seedSaga('orders', { id: key, state: 'cancelled', at, deadline: at + 10 ** 12 })
    const payment = await seedPayment({ order: key, at, isBound: false })
    const mend = () =>
      force('payments', payment, { sql: 'DELETE FROM payment WHERE id = ?', args: [payment] })
    const about = { comparison: 'payment_tries', class: 'stuck_transaction', key }
    return { ...about, action: 'finish_transaction', mend }
  },
  'stock that is reserved for an order that has ended': async (at) => {
    const order = newId()
    await seedSaga('orders', { id: order, state: 'cancelled', at })
    const open = [{ order, quantity: 2, isConfirmed: false }]
    const product = await seedStock({ at, reserved: 2, open })
    const mend = () =>
      write(
        'warehouse',
        product,
        { sql: `UPDATE reservation SET state = 'released' WHERE product = ?`, args: [product] },
        { sql: 'UPDATE stock SET reserved = 0 WHERE product = ?', args: [product] },
      )
    const about = { comparison: 'stock_tries', class: 'stuck_transaction' }
    return { ...about, key: `${product}:${order}`, action: 'finish_transaction', mend }
  },
  'a saga that nobody brings to its end': async (at) => {
    const key = newId()
    await seedSaga('orders', { id: key, state: 'trying', at })
    const sql = `UPDATE saga SET state = 'cancelled', finished_at = ? WHERE id = ?`
    const mend = () => write('orders', key, { sql, args: [at, key] })
    const about = { comparison: 'orders_deadlines', class: 'stuck_transaction', key }
    return { ...about, action: 'finish_transaction', mend }
  },
  'a reserved count that is below its reservations': async (at) => {
    const key = await seedStock({ at, reserved: 1, open: [{ order: newId(), quantity: 3 }] })
    const sql = 'UPDATE stock SET reserved = 3 WHERE product = ?'
    const mend = () => write('warehouse', key, { sql, args: [key] })
    return { comparison: 'stock', class: 'stock_drift', key, action: 'rebuild_reserved', mend }
  },
  'a stock that its ledger does not come to': async (at) => {
    const key = await seedStock({ at, came: 10, onHand: 12, reserved: 0, open: [] })
    return { comparison: 'stock', class: 'stock_drift', key, action: 'investigate' }
  },
  'a reserved count that is above its reservations': async (at) => {
    const key = await seedStock({ at, reserved: 3, open: [{ order: newId(), quantity: 1 }] })
    // To rebuild it would free units.
    return { comparison: 'stock', class: 'stock_drift', key, action: 'investigate' }
  },
  'a stock from which units have vanished': async (at) => {
    const key = await seedStock({ at, came: 10, onHand: 8, reserved: 0, open: [] })
    return { comparison: 'stock', class: 'stock_drift', key, action: 'investigate' }
  },
  'a delivery that was never planned': async (at) => {
    const member = newId()
    const event = newId()
    const endpoint = await seedWebhook(member, { event, at })
    const delivery = insert('delivery', {
      id: ids.child(member),
      endpoint,
      event_id: event,
      type: 'order.confirmed',
      payload: '{}',
      state: 'delivered',
      created_at: at,
      done_at: at,
    })
    const key = `${member}:${event}:${endpoint}`
    const mend = () => write('notifier', member, delivery)
    return {
      comparison: 'deliveries',
      class: 'undelivered_webhook',
      key,
      action: 'rearm_delivery',
      mend,
    }
  },
  'a delivery that was given up': async (at) => {
    const member = newId()
    const event = newId()
    const endpoint = await seedWebhook(member, { event, at, state: 'failed' })
    const sql = `UPDATE delivery SET state = 'delivered' WHERE endpoint = ?`
    const key = `${member}:${event}:${endpoint}`
    const mend = () => write('notifier', member, { sql, args: [endpoint] })
    return {
      comparison: 'deliveries',
      class: 'undelivered_webhook',
      key,
      action: 'rearm_delivery',
      mend,
    }
  },
  'a copy of an edge whose original is gone': async (at) => {
    const [followee, follower] = [newId(), newId()]
    const copy = insert('follower', { followee, follower, version: 2, active: 1, at })
    await write('social', followee, copy, insert('profile', { member: followee, followers: 1 }))
    const key = `${followee}:${follower}`
    return { comparison: 'orphan_twins', class: 'twin_drift', key, action: 'investigate' }
  },
  'a profile that counts a follower too many': async (at) => {
    const { followee: key } = await seedEdge({ at })
    await write('social', key, {
      sql: 'UPDATE profile SET followers = 5 WHERE member = ?',
      args: [key],
    })
    const mend = () =>
      write('social', key, {
        sql: 'UPDATE profile SET followers = 1 WHERE member = ?',
        args: [key],
      })
    return { comparison: 'profile_followers', class: 'counter_drift', key, action: 'recount', mend }
  },
  'a count of posts that missed one': async (at) => {
    const key = newId()
    await write(
      'social',
      key,
      insert('profile', { member: key, posts: 1 }),
      insert('post', { id: ids.child(key), author: key, text: 'x', created_at: at }),
    )
    const mend = () =>
      write('stats', key, insert('counter', { subject: key, metric: 'posts', n: 1 }))
    return { comparison: 'counted_posts', class: 'counter_drift', key, action: 'recount', mend }
  },
  'a member whose handle leads to nobody': async (at) => {
    const { id: key, handle } = await seedMember({ at, kinds: ['email'] })
    const mend = async () => {
      await seedClaim('users', { kind: 'handle', text: handle, owner: key, at })
    }
    return { comparison: 'handles', class: 'twin_drift', key, action: 'copy_twin', mend }
  },
  'a member whose address leads to nobody': async (at) => {
    const { id: key, handle } = await seedMember({ at, kinds: ['handle'] })
    const mend = async () => {
      await seedClaim('users', { kind: 'email', text: `${handle}@example.org`, owner: key, at })
    }
    return { comparison: 'emails', class: 'twin_drift', key, action: 'copy_twin', mend }
  },
  'a product whose sku leads to nothing': async (at) => {
    const { id: key, sku } = await seedProduct({ at, hasClaim: false })
    const mend = async () => {
      await seedClaim('catalog', { kind: 'sku', text: sku, owner: key, at })
    }
    return { comparison: 'skus', class: 'twin_drift', key, action: 'copy_twin', mend }
  },
  'a view that shows more than was ever counted': async (_at, { clock }) => {
    const shown = { views: 6, seq: 49, ago: 10_000 }
    const key = await seedCount({ now: clock.now(), kind: 'post', shown })
    return shownWrong('post', key)
  },
  'a view that shows another count of the same moment': async (_at, { clock }) => {
    const key = await seedCount({ now: clock.now(), kind: 'member', shown: { views: 4, ago: 0 } })
    return shownWrong('member', key)
  },
  'a view that has been behind for long': async (_at, { clock }) => {
    const shown = { views: 4, seq: 49, ago: 400_000 }
    const key = await seedCount({ now: clock.now(), shown })
    return shownWrong('product', key)
  },
  'a view of what few look at': async (_at, { clock }) => {
    const shown = { views: 7, ago: 10_000 }
    const key = await seedCount({ now: clock.now(), kind: 'post', isRare: true, shown })
    return shownWrong('post', key)
  },
  'a view that claims to be of tomorrow': async (_at, { clock }) => {
    const key = await seedCount({ now: clock.now(), shown: { views: 5, ago: -30 * 86_400_000 } })
    return shownWrong('product', key)
  },
  'a view that is ahead of all that was written': async (_at, { clock }) => {
    const shown = { views: 5, seq: 51, ago: 10_000 }
    const key = await seedCount({ now: clock.now(), shown })
    return { comparison: 'hot_product', class: 'hot_view_drift', key, action: 'investigate' }
  },
  'an address that leads to a member who has another': async (at) => {
    const { id: owner } = await seedMember({ at })
    const key = await seedClaim('users', { kind: 'email', text: `${owner}@elsewhere`, owner, at })
    return { comparison: 'email_claims', class: 'twin_drift', key, action: 'investigate' }
  },
}
