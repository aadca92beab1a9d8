import { payment, paymentOperation } from '@stoa/data/payments'
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'

import type { OpenOperation, Payment } from '../domain/payment.ts'
import type { Asked } from '../domain/ports.ts'
import { db } from './builder.ts'

/** The most payments of one order that are shown: each try of a payer with another card is one. */
export const paymentsOfOrderMax = 100
/** The most operations of one payment that may wait for their answers. */
const openMax = 100

const columns = {
  id: payment.id,
  buyer: payment.buyer,
  orderId: payment.orderId,
  gid: payment.gid,
  branch: payment.branch,
  provider: payment.provider,
  providerRef: payment.providerRef,
  amountMinor: payment.amountMinor,
  currency: payment.currency,
  authorisedMinor: payment.authorisedMinor,
  capturedMinor: payment.capturedMinor,
  voidedMinor: payment.voidedMinor,
  refundedMinor: payment.refundedMinor,
  chargedBackMinor: payment.chargedBackMinor,
  boundAt: payment.boundAt,
  createdAt: payment.createdAt,
  authorisation: sql<Payment['authorisation']>`(SELECT phase FROM payment_operation AS a
WHERE a.payment = ${payment.id} AND a.name = 'authorise' ORDER BY a.stage DESC LIMIT 1)`.as(
    'authorisation',
  ),
}

export function paymentQuery(id: string) {
  return db.select(columns).from(payment).where(eq(payment.id, id)).limit(1)
}

export function paymentsOfOrderQuery(order: string) {
  return db
    .select(columns)
    .from(payment)
    .where(eq(payment.orderId, order))
    .orderBy(desc(payment.id))
    .limit(paymentsOfOrderMax)
}

const asked = alias(paymentOperation, 'asked')
const ended = alias(paymentOperation, 'ended')

function askedBase() {
  return db
    .select({
      ...columns,
      operationName: asked.name,
      operationKind: sql<OpenOperation['kind']>`${asked.kind}`.as('operation_kind'),
      operationAmount: sql<number>`${asked.amountMinor}`.as('operation_amount'),
      operationAt: asked.at,
    })
    .from(payment)
    .innerJoin(asked, and(eq(asked.payment, payment.id), eq(asked.stage, 0)))
}

/** A payment with what was asked of it under `name`. */
export function askedQuery(id: string, name: string) {
  return askedBase()
    .where(and(eq(payment.id, id), eq(asked.name, name)))
    .limit(1)
}

/** A payment with each of its operations that was asked and has no answer. */
export function openQuery(id: string) {
  return askedBase()
    .leftJoin(
      ended,
      and(eq(ended.payment, asked.payment), eq(ended.name, asked.name), eq(ended.stage, 2)),
    )
    .where(and(eq(payment.id, id), isNull(ended.name)))
    .limit(openMax)
}

export function askedOf(row: Awaited<ReturnType<typeof askedQuery>>[number]): Asked {
  const { operationName, operationKind, operationAmount, operationAt, ...found } = row
  return {
    payment: found,
    operation: {
      name: operationName,
      kind: operationKind,
      amountMinor: operationAmount,
      at: operationAt,
    },
  }
}
