import { z } from 'zod'

import { branchReply, branchRequest } from './branch.ts'
import { currency, idField, memberId, minorUnits, moment, orderId } from './fields.ts'
import { route } from './route.ts'

export const paymentId = idField('pay')
export const paymentOperationId = idField('pop')
export const transferId = idField('trf')

/** What a payer pays with: a token that the provider's own form made of a card. */
export const paymentMethod = z.object({ token: z.string().min(1).max(255) })

/** The providers that may call back. */
export const paymentProvider = z.enum(['sandbox', 'stripe'])

/**
 * What has become of a payment, from what its provider did. `requires_action`: the payer has to do something first.
 * `failed`: nothing was ever authorised.
 */
export const paymentState = z.enum([
  'pending',
  'requires_action',
  'failed',
  'authorised',
  'partially_captured',
  'captured',
  'partially_refunded',
  'refunded',
  'voided',
  'charged_back',
])

export const payment = z.object({
  id: paymentId,
  /** Null for a top-up of a wallet. */
  order: orderId.nullable(),
  buyer: memberId,
  state: paymentState,
  amountMinor: minorUnits,
  currency,
  authorisedMinor: minorUnits,
  capturedMinor: minorUnits,
  voidedMinor: minorUnits,
  refundedMinor: minorUnits,
  chargedBackMinor: minorUnits,
  createdAt: moment,
})

const operation = z.object({
  id: paymentOperationId,
  payment: paymentId,
  kind: z.enum(['capture', 'void', 'refund']),
  amountMinor: minorUnits,
  currency,
  createdAt: moment,
})

const wallet = z.object({
  member: memberId,
  balances: z.array(
    z.object({
      currency,
      availableMinor: minorUnits,
      /** Promised to transfers that are under way. */
      frozenMinor: minorUnits,
    }),
  ),
})

/** What a provider calls a payment of its, or an operation. */
const providerName = z.string().min(1).max(255)

/** An operation that moved money, as a provider's statement has it. */
const moved = z.object({
  provider: paymentProvider,
  /** The provider's own name of the payment. */
  payment: providerName,
  /** The provider's own name of the operation. */
  operation: providerName,
  amountMinor: minorUnits.min(1),
  currency,
  /** What asks for it: kept with what is written. */
  cause: z.string().min(1).max(100),
})

const params = z.object({ payment: paymentId })
/** Absent: all that is left. */
const part = z.object({ amountMinor: minorUnits.min(1).optional() })

export const payments = {
  runPaymentBranch: route({
    id: 'runPaymentBranch',
    method: 'post',
    path: '/internal/payments/branches',
    summary: 'Authorise the payment of an order as a branch of its saga, bind it, or void it',
    access: 'service',
    body: branchRequest.extend({
      order: orderId,
      buyer: memberId,
      amountMinor: minorUnits.min(1),
      currency,
      method: paymentMethod,
    }),
    status: 200,
    reply: branchReply,
  }),
  runReturnBranch: route({
    id: 'runReturnBranch',
    method: 'post',
    path: '/internal/payments/returns',
    summary:
      'Give the money of an order back as a branch of the saga that cancels it: keep it from being taken, void and refund what is held, or let it be',
    access: 'service',
    body: branchRequest.extend({ order: orderId }),
    status: 200,
    reply: branchReply,
  }),
  replayPayment: route({
    id: 'replayPayment',
    method: 'post',
    path: '/internal/payments/replays',
    summary:
      'Ask the provider for a payment of which something is not known here, and take its word',
    access: 'service',
    body: moved.extend({ kind: z.enum(['capture', 'refund', 'chargeback']) }),
    status: 200,
    reply: z.object({ payment: paymentId }),
  }),
  refundUnclaimed: route({
    id: 'refundUnclaimed',
    method: 'post',
    path: '/internal/payments/unclaimed-refunds',
    summary: 'Give back what the provider took with an operation that no payment of ours claims',
    access: 'service',
    body: moved,
    status: 200,
    /** The payment as which it is in the books. */
    reply: z.object({ payment: paymentId }),
  }),
  rebookPayment: route({
    id: 'rebookPayment',
    method: 'post',
    path: '/internal/payments/rebookings',
    summary: 'Book what operations of a payment have moved and the ledger lacks',
    access: 'service',
    body: z.object({ payment: paymentId }),
    status: 200,
    /** How many operations had no entry. */
    reply: z.object({ payment: paymentId, booked: z.int() }),
  }),
  sweepPayments: route({
    id: 'sweepPayments',
    method: 'post',
    path: '/internal/payments/sweeps',
    summary: 'Go on with operations and transfers that somebody left half-way, and seal the ledger',
    access: 'service',
    body: z.object({}),
    status: 200,
    reply: z.object({
      settled: z.int(),
      transfers: z.int(),
      sealed: z.int(),
      /** Taken up three times or more without an end. */
      stuck: z.array(transferId),
    }),
  }),
  getPaymentStatement: route({
    id: 'getPaymentStatement',
    method: 'get',
    path: '/internal/payments/statements/{provider}/{day}',
    summary: 'Read what moved money on a UTC day, as the provider has it',
    access: 'service',
    params: z.object({ provider: paymentProvider, day: z.iso.date() }),
    status: 200,
    reply: z.object({
      items: z.array(
        z.object({
          /** The provider's own name of the movement. */
          operation: z.string(),
          /** The provider's own name of the payment. */
          payment: z.string(),
          kind: z.enum(['capture', 'refund', 'chargeback']),
          /** Below zero for what was given back. */
          amountMinor: z.int(),
          currency,
          at: moment,
        }),
      ),
    }),
  }),
  getPayment: route({
    id: 'getPayment',
    method: 'get',
    path: '/v1/payments/{payment}',
    summary: 'Read a payment of yours',
    access: 'member',
    params,
    status: 200,
    reply: payment,
  }),
  listOrderPayments: route({
    id: 'listOrderPayments',
    method: 'get',
    path: '/v1/orders/{order}/payments',
    summary: 'List the payments of an order of yours, the newest first',
    access: 'member',
    params: z.object({ order: orderId }),
    status: 200,
    reply: z.object({ items: z.array(payment) }),
  }),
  capturePayment: route({
    id: 'capturePayment',
    method: 'post',
    path: '/v1/payments/{payment}/captures',
    summary: 'Take money that is authorised, or a part of it',
    access: 'operator',
    idempotent: true,
    params,
    body: part,
    status: 201,
    reply: operation,
  }),
  voidPayment: route({
    id: 'voidPayment',
    method: 'post',
    path: '/v1/payments/{payment}/voids',
    summary: 'Give back what is authorised and was not taken',
    access: 'operator',
    idempotent: true,
    params,
    body: z.object({}),
    status: 201,
    reply: operation,
  }),
  refundPayment: route({
    id: 'refundPayment',
    method: 'post',
    path: '/v1/payments/{payment}/refunds',
    summary: 'Give money back that was taken, or a part of it',
    access: 'operator',
    idempotent: true,
    params,
    body: part,
    status: 201,
    reply: operation,
  }),
  /** The raw body is signed by the provider; its form is the provider's own. */
  receivePaymentCallback: route({
    id: 'receivePaymentCallback',
    method: 'post',
    path: '/v1/payment-callbacks/{provider}',
    summary: 'Hear from a payment provider that something happened to a payment',
    access: 'public',
    params: z.object({ provider: paymentProvider }),
    status: 200,
    reply: z.object({ received: z.literal(true) }),
  }),
  getWallet: route({
    id: 'getWallet',
    method: 'get',
    path: '/v1/wallet',
    summary: 'Read what your wallet holds',
    access: 'member',
    status: 200,
    reply: wallet,
  }),
  openWallet: route({
    id: 'openWallet',
    method: 'put',
    path: '/v1/wallet/{currency}',
    summary: 'Open your wallet in a currency',
    access: 'member',
    params: z.object({ currency }),
    status: 204,
  }),
  topUpWallet: route({
    id: 'topUpWallet',
    method: 'post',
    path: '/v1/wallet/{currency}/top-ups',
    summary: 'Pay money into your wallet',
    access: 'member',
    idempotent: true,
    params: z.object({ currency }),
    body: z.object({ amountMinor: minorUnits.min(1), method: paymentMethod }),
    status: 201,
    reply: z.object({ payment: paymentId, amountMinor: minorUnits, currency, createdAt: moment }),
  }),
  startTransfer: route({
    id: 'startTransfer',
    method: 'post',
    path: '/v1/transfers',
    summary:
      'Send money of your wallet to another member; read the transfer to see what became of it',
    access: 'member',
    idempotent: true,
    body: z.object({ to: memberId, amountMinor: minorUnits.min(1), currency }),
    status: 201,
    reply: z.object({
      id: transferId,
      from: memberId,
      to: memberId,
      amountMinor: minorUnits,
      currency,
      createdAt: moment,
    }),
  }),
  getTransfer: route({
    id: 'getTransfer',
    method: 'get',
    path: '/v1/transfers/{transfer}',
    summary: 'Read a transfer that you sent',
    access: 'member',
    params: z.object({ transfer: transferId }),
    status: 200,
    reply: z.object({
      id: transferId,
      to: memberId,
      amountMinor: minorUnits,
      currency,
      /** Decided once: `sent` money arrives, of a `refused` transfer nothing has moved. */
      state: z.enum(['pending', 'sent', 'refused']),
      /** Why it was refused. */
      code: z.string().optional(),
      createdAt: moment,
    }),
  }),
} as const
