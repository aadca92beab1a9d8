import { type Clock, Fault, type Ids } from '@stoa/kernel'

import type { OrderEvent } from './payload.ts'

/** What a member is told inside the product. */
export type Notice = {
  readonly id: string
  readonly type: string
  readonly order: string
  readonly createdAt: number
  readonly isRead: boolean
}

export type NewNotice = Omit<Notice, 'isRead'> & { readonly member: string }

/** There is no such notification, or it is another member's. */
export class NotificationNotFoundError extends Fault {
  override readonly name = 'NotificationNotFoundError'
  override readonly code = 'notification_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the notification: you have none of this id')
  }
}

/** What the buyer of an order is told of it. */
export function noticeOf(
  event: OrderEvent,
  { ids, clock }: { readonly ids: Ids; readonly clock: Clock },
): NewNotice {
  const { buyer, order } = event.data
  return {
    member: buyer,
    id: ids.child(buyer),
    type: event.type,
    order,
    createdAt: clock.now(),
  }
}
