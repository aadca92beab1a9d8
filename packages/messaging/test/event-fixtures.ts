const id = '0A1000000000000000A1'
const line = { product: id, quantity: 2 }
const post = { post: id, author: id, text: 'Hello.', createdAt: 1 }
const delivered = { order: id, buyer: id, sellers: [id] }
const fact = {
  payment: id,
  order: id,
  buyer: id,
  operation: id,
  amountMinor: 100,
  currency: 'EUR',
}

/**
 * Data of events as some version of the code has written it. What is in an outbox or in the queue while a new version is
 * deployed looks like this, so none of it is ever changed: a new form of a type is added beside the old.
 */
export const fixtures: readonly (readonly [type: string, version: number, data: object])[] = [
  ['member.registered', 1, { member: id, handle: 'ada', name: 'Ada' }],
  ['member.followed', 1, { follower: id, followee: id }],
  ['member.unfollowed', 1, { follower: id, followee: id }],
  ['post.created', 1, post],
  ['post.fanned_out', 1, { ...post, after: id }],
  ['reply.created', 1, { reply: id, post: id, author: id, createdAt: 1 }],
  [
    'product.created',
    1,
    {
      product: id,
      seller: null,
      category: 'lamps',
      title: 'A lamp',
      priceMinor: 100,
      currency: 'EUR',
      stock: 3,
    },
  ],
  ['order.placed', 1, { order: id, buyer: id, lines: [line] }],
  ['stock.moved', 1, { product: id, transfer: id, from: id, to: id, quantity: 2 }],
  ['order.confirmed', 1, { ...delivered, lines: [line], totalMinor: 200, currency: 'EUR' }],
  ['order.rejected', 1, { ...delivered, release: [line], missing: [id] }],
  ['order.rejected', 1, { ...delivered, missing: [id], payment: 'card_declined' }],
  [
    'order.cancelled',
    1,
    { ...delivered, lines: [line], totalMinor: 200, currency: 'EUR', by: 'buyer' },
  ],
  ['goods.received', 1, { purchaseOrder: id, receipt: id, lines: [{ product: id, received: 2 }] }],
  ['counts.waiting', 1, {}],
  ['delivery.due', 1, { delivery: id }],
  ['endpoint.replay_asked', 1, { endpoint: id, since: 1, all: true, after: 0 }],
  ['payment.authorised', 1, fact],
  ['payment.declined', 1, { ...fact, code: 'card_declined' }],
  ['payment.captured', 1, fact],
  ['payment.voided', 1, { ...fact, amountMinor: 0 }],
  ['payment.refunded', 1, fact],
  ['payment.charged_back', 1, { ...fact, order: null }],
]
