import { z } from 'zod'

import { branchReply, branchRequest } from './branch.ts'
import { currency, memberId, minorUnits, orderId } from './fields.ts'
import { route } from './route.ts'

/** What a payer pays with: a token that the provider's own form made of a card. */
export const paymentMethod = z.object({ token: z.string().min(1).max(255) })

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
} as const
