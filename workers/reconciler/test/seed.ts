import { slotOfId, slotOfText, slotText, type SqlValue, type Statement } from '@stoa/kernel'

import type { MoneyEntry } from '../src/domain/money.ts'
import { bucketSlotOf, countKeyOf } from '../src/store/count-rows.ts'
import { ids, newId, show, write } from './harness.ts'

/** An INSERT of one row. */
export function insert(table: string, row: Readonly<Record<string, SqlValue>>): Statement {
  const names = Object.keys(row)
  return {
    sql: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    args: Object.values(row),
  }
}

export type OrderSeed = {
  readonly at: number
  readonly id?: string
  readonly state?: 'pending' | 'confirmed' | 'rejected'
  readonly total?: number
}

export async function seedOrder({ at, id = newId(), state = 'confirmed', total = 500 }: OrderSeed) {
  const version = state === 'pending' ? 1 : 2
  const head = insert('order_head', {
    id,
    buyer: id,
    cart: newId(),
    state,
    total_minor: total,
    currency: 'EUR',
    version,
    created_at: at - 1_000,
    cause: 'test',
    decided_at: state === 'pending' ? null : at,
  })
  await write('orders', id, head)
  return id
}

export async function seedSaga(
  keyspace: string,
  {
    id,
    state,
    at,
    deadline = at,
  }: {
    readonly id: string
    readonly state: string
    readonly at: number
    readonly deadline?: number
  },
) {
  const hasEnded = state === 'done' || state === 'cancelled'
  await write(
    keyspace,
    id,
    insert('saga', {
      id,
      kind: 'place_order',
      state,
      steps: '[]',
      deadline,
      next_at: at,
      created_at: at,
      finished_at: hasEnded ? at : null,
    }),
  )
}

export type CancellationSeed = {
  readonly order: string
  readonly at: number
  readonly state?: 'pending' | 'cancelled' | 'refused'
  /** Of the saga that cancels; null when it is nowhere. */
  readonly saga?: 'trying' | 'confirming' | 'done' | 'cancelled' | null
}

/** That an order is to be cancelled, and what became of it; answers the saga. */
export async function seedCancellation(seed: CancellationSeed): Promise<string> {
  const { order, at, state = 'cancelled', saga: stage = 'done' } = seed
  const saga = ids.child(order)
  const decidedAt = state === 'pending' ? null : at
  const about = { order_id: order, saga, state, asked_by: 'buyer', cause: 'test' }
  const row = insert('order_cancellation', { ...about, asked_at: at, decided_at: decidedAt })
  await write('orders', order, row)
  // One that is open has all the time: here it is not too late.
  if (stage !== null)
    await seedSaga('orders', { id: saga, state: stage, at, deadline: at + 10 ** 12 })
  return saga
}

export type MoneySeed = {
  readonly payment: string
  readonly order: string | null
  readonly at: number
  readonly type?: 'captured' | 'voided' | 'refunded' | 'charged_back'
  readonly amount?: number
  /** What its order has heard: another amount, or nothing. */
  readonly heard?: number | undefined
}

/** A payment's event, and the row that its order keeps of it. */
export async function seedMoney(seed: MoneySeed): Promise<string> {
  const { payment, order, at, type = 'captured', amount = 500 } = seed
  const { heard } = seed
  const about = { payment, operation: `op-${newId()}`, currency: 'EUR' }
  const data = { ...about, buyer: payment, order, amountMinor: amount }
  const event = await seedEvent('payments', { key: payment, type: `payment.${type}`, data, at })
  const kind = type === 'charged_back' ? 'disputed' : type
  if (order !== null && heard !== undefined) {
    const row = { order_id: order, ...about, kind, amount_minor: heard, at, event }
    await write('orders', order, insert('order_money', row))
  }
  return event
}

export type PaymentSeed = {
  readonly order: string
  readonly at: number
  readonly amount?: number
  readonly isBound?: boolean
  /** Given back of what was promised. */
  readonly voided?: number
  /** Operations of the provider after the authorisation, each with its name at the provider. */
  readonly captures?: readonly { readonly operation: string; readonly amount: number }[]
  /** Books what was captured; false leaves the ledger without it. */
  readonly isBooked?: boolean
}

function operation(payment: string, fields: Readonly<Record<string, SqlValue>>): Statement {
  return insert('payment_operation', {
    payment,
    phase: 'succeeded',
    stage: 2,
    cause: 'test',
    ...fields,
  })
}

function book(
  payment: string,
  seq: number,
  { name, amount, at }: { name: string; amount: number; at: number },
) {
  const lines = JSON.stringify([
    ['external', 'EUR', -amount],
    ['captured', 'EUR', amount],
  ])
  return insert('journal', {
    account: payment,
    seq,
    source: `${payment}:${name}`,
    kind: 'capture',
    lines,
    at,
  })
}

export async function seedPayment(seed: PaymentSeed): Promise<string> {
  const { order, at, amount = 500, isBound = true, captures = [], isBooked = true, voided } = seed
  const id = ids.child(order)
  const agreed = { buyer: order, order_id: order, gid: order, branch: id, provider: 'sandbox' }
  await write(
    'payments',
    id,
    insert('payment', {
      id,
      ...agreed,
      provider_ref: `psp_${id}`,
      amount_minor: amount,
      currency: 'EUR',
      bound_at: isBound ? at : null,
      created_at: at,
    }),
    operation(id, {
      name: 'authorise',
      kind: 'authorise',
      amount_minor: amount,
      provider_ref: `op_${id}`,
      at,
    }),
    ...(voided === undefined
      ? []
      : [
          operation(id, {
            name: 'void',
            kind: 'void',
            amount_minor: voided,
            provider_ref: `v_${id}`,
            at,
          }),
        ]),
    ...['captured', 'external'].map((name) =>
      insert('balance', {
        account: id,
        book: name,
        currency: 'EUR',
        limited: name === 'captured' ? 1 : 0,
      }),
    ),
    ...captures.flatMap((capture, index) => {
      const name = `capture-${index}`
      const taken = operation(id, {
        name,
        kind: 'capture',
        amount_minor: capture.amount,
        provider_ref: capture.operation,
        at,
      })
      return isBooked ? [taken, book(id, index + 1, { name, amount: capture.amount, at })] : [taken]
    }),
  )
  return id
}

/** Money that was taken and is given back, or that the bank has taken back, with its entry. */
export async function refund(
  payment: string,
  {
    operation: ref,
    amount,
    at,
    kind = 'refund',
  }: {
    readonly operation: string
    readonly amount: number
    readonly at: number
    readonly kind?: 'refund' | 'chargeback'
  },
): Promise<void> {
  const lines = JSON.stringify([
    ['captured', 'EUR', -amount],
    ['external', 'EUR', amount],
  ])
  const source = `${payment}:refund-0`
  await write(
    'payments',
    payment,
    operation(payment, { name: 'refund-0', kind, amount_minor: amount, provider_ref: ref, at }),
    insert('journal', { account: payment, seq: 2, source, kind, lines, at }),
  )
}

/** What was promised is given back. */
export async function voidAll(payment: string, at: number): Promise<void> {
  const voided = { name: 'void', kind: 'void', amount_minor: 500, provider_ref: payment, at }
  await write('payments', payment, operation(payment, voided))
}

/** A capture that the provider refused: it moved nothing. */
export async function failedCapture(payment: string, at: number): Promise<void> {
  const failed = { name: 'capture-9', kind: 'capture', amount_minor: 300, phase: 'failed', at }
  await write('payments', payment, operation(payment, failed))
}

/** What was reserved and given back: it left its movements. */
export async function seedReleased(
  product: string,
  { order, at }: { readonly order: string; readonly at: number },
): Promise<void> {
  const moved = (type: string, version: number, reserved: number) =>
    insert('movement', {
      id: ids.child(product),
      product,
      version,
      type,
      quantity: 2,
      ref: order,
      balance_on_hand: 10,
      balance_reserved: reserved,
      at,
    })
  await write(
    'warehouse',
    product,
    moved('reserve', 2, 5),
    moved('release', 3, 3),
    insert('reservation', {
      id: ids.child(product),
      product,
      order_id: order,
      quantity: 2,
      state: 'released',
      version: 2,
      changed_at: at,
    }),
  )
}

/** Heard late: what the provider had told of, booked now as the first entry of its payment. */
export async function bookLate(payment: string, entry: MoneyEntry, now: number): Promise<void> {
  const { kind, amount, at, operation: ref } = entry
  await write(
    'payments',
    payment,
    operation(payment, { name: 'late', kind, amount_minor: amount, provider_ref: ref, at }),
    book(payment, 1, { name: 'late', amount, at: now }),
  )
}

/** A product's home with what came and what is promised. */
export async function seedStock({
  at,
  came = 10,
  onHand = came,
  reserved,
  open,
}: {
  readonly at: number
  readonly came?: number
  readonly onHand?: number
  readonly reserved: number
  readonly open: readonly {
    readonly order: string
    readonly quantity: number
    readonly isConfirmed?: boolean
  }[]
}): Promise<string> {
  const product = newId()
  await write(
    'warehouse',
    product,
    insert('stock', { product, on_hand: onHand, reserved, version: 1 }),
    insert('movement', {
      id: ids.child(product),
      product,
      version: 1,
      type: 'opening',
      quantity: came,
      ref: product,
      balance_on_hand: came,
      balance_reserved: 0,
      at,
    }),
    ...open.map(({ order, quantity, isConfirmed = true }) =>
      insert('reservation', {
        id: ids.child(product),
        product,
        order_id: order,
        quantity,
        state: 'reserved',
        version: 1,
        changed_at: at,
        confirmed_at: isConfirmed ? at : null,
      }),
    ),
  )
  return product
}

export type EventSeed = {
  readonly key?: string
  readonly seq?: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly at: number
}

/** An event that was sent, in the outbox of whoever says it. */
export async function seedEvent(
  keyspace: string,
  { key = newId(), seq = 1, type, data, at }: EventSeed,
) {
  const id = ids.child(key)
  await write(
    keyspace,
    key,
    insert('outbox', {
      id,
      topic: type.split('.')[0] ?? '',
      type,
      okey: key,
      seq,
      payload: JSON.stringify(data),
      causation: 'test',
      state: 'sent',
      created_at: at,
      next_at: at,
      sent_at: at,
    }),
  )
  return id
}

export function inboxed(consumer: string, key: string, event: string, at: number): Statement {
  return insert('inbox', { slot: key, consumer, event_id: event, at })
}

export async function seedEdge({
  at,
  hasCopy = true,
  copied,
}: {
  readonly at: number
  readonly hasCopy?: boolean
  readonly copied?: number
}) {
  const [follower, followee] = [newId(), newId()]
  const edge = { follower, followee, version: 1, active: 1, at }
  await write('social', follower, insert('follow', { ...edge, id: ids.child(follower) }))
  if (hasCopy)
    await write('social', followee, insert('follower', { ...edge, version: copied ?? 1 }))
  // Each counts as many as it has.
  const profile = (member: string, followers: number, following: number) =>
    write('social', member, insert('profile', { member, followers, following, posts: 0 }))
  await profile(follower, 0, 1)
  await profile(followee, hasCopy ? 1 : 0, 0)
  return { follower, followee }
}

export async function seedMember({
  at,
  kinds = ['handle', 'email'],
}: {
  readonly at: number
  readonly kinds?: readonly string[]
}) {
  const id = newId()
  const name = id.toLowerCase()
  const texts: Readonly<Record<string, string>> = { handle: name, email: `${name}@example.org` }
  await write(
    'users',
    id,
    insert('member', {
      id,
      handle: texts['handle'] ?? '',
      email: texts['email'] ?? '',
      name: 'Ada',
      version: 1,
      created_at: at,
    }),
  )
  for (const kind of kinds)
    await seedClaim('users', { kind, text: texts[kind] ?? '', owner: id, at })
  return { id, handle: name }
}

export async function seedClaim(
  keyspace: string,
  {
    kind,
    text,
    owner,
    at,
    state = 'confirmed',
  }: {
    readonly kind: string
    readonly text: string
    readonly owner: string
    readonly at: number
    readonly state?: string
  },
): Promise<string> {
  const slot = slotText(slotOfText(`${kind}|${text}`))
  const row = { slot, kind, text, owner_id: owner, state, claimed_at: at }
  await write(keyspace, slot, insert('lookup', row))
  return `${slot}:${text}`
}

export async function seedProduct({
  at,
  hasClaim = true,
}: {
  readonly at: number
  readonly hasClaim?: boolean
}) {
  const id = newId()
  const sku = `sku-${id}`
  await write(
    'catalog',
    id,
    insert('product', {
      id,
      sku,
      title: 'A lamp',
      description: '',
      category: 'c',
      price_minor: 1,
      currency: 'EUR',
      version: 1,
      created_at: at,
    }),
  )
  if (hasClaim) await seedClaim('catalog', { kind: 'sku', text: sku, owner: id, at })
  return { id, sku }
}

const dayMs = 86_400_000
/** Of every bucket: its objects share it. */
const bucketSeq = 50
/** The slots of a sample are so far apart. */
const slotsInTurn = 128

export type CountSeed = {
  /** Now: it is among what is viewed most today. */
  readonly now: number
  readonly kind?: 'member' | 'product' | 'post'
  readonly views?: number
  /** Few look at it, and its slot has its turn in this hour. */
  readonly isRare?: boolean
  /** A part of it lies in a page too. */
  readonly isThawed?: boolean
  /** What Redis shows of it, if anything: views, number of the bucket, and how long ago that was, in milliseconds. */
  readonly shown?: { readonly views: number; readonly seq?: number; readonly ago: number }
}

/** As the stats service spells what it shows. */
export function shownText({
  views,
  seq = bucketSeq,
  at,
}: {
  readonly views: number
  readonly seq?: number
  readonly at: number
}): string {
  const seconds = Math.floor((at - 1_577_836_800_000) / 1_000)
  return `${views},0:${seq.toString(36)}:${seconds.toString(36)}`
}

function idInTurn(turn: number): string {
  for (;;) {
    const id = newId()
    if (slotOfId(id) % slotsInTurn === turn) return id
  }
}

/** An object that was counted, and what is shown of it. */
export async function seedCount(seed: CountSeed): Promise<string> {
  const { now, kind = 'product', views = 5, isRare = false, isThawed = false, shown } = seed
  const turn = Math.floor(now / 3_600_000) % slotsInTurn
  const id = isRare ? idInTurn(turn) : newId()
  const key = countKeyOf(id)
  await write('stats', id, insert(`count_${kind}`, { ...key, views, shares: 0 }), {
    sql: 'INSERT INTO count_bucket (slot, seq) VALUES (?, ?) ON CONFLICT DO NOTHING',
    args: [bucketSlotOf(key.slot), bucketSeq],
  })
  if (isThawed) await write('stats', id, insert('count_thaw', { ...key, kind }))
  const board = `${kind}.views`
  const place = slotText(slotOfText(board))
  const start = Math.floor(now / dayMs) * dayMs
  const leader = { slot: place, board, start, item: id, n: views, error: 0 }
  if (!isRare) await write('stats', place, insert('count_top', leader))
  if (shown !== undefined) await show(`${kind}:${id}`, shownText({ ...shown, at: now - shown.ago }))
  return id
}
