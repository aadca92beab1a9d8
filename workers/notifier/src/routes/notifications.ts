import { notifier } from '@stoa/contracts/notifier'
import { formatCursor, readCursor, type Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { type Notice, NotificationNotFoundError } from '../domain/notice.ts'
import { moment, webhookType } from './present.ts'

/** Counting further costs reads and tells nobody anything. */
const unreadCounted = 100

function present({ id, type, order, createdAt, isRead }: Notice) {
  return {
    id: typedId('ntc', id),
    type: webhookType(type),
    order: typedId('ord', order),
    createdAt: moment(createdAt),
    isRead,
  }
}

export function serveNotifications(service: Service, deps: Deps): void {
  service.serve(notifier.listNotifications, async ({ query }, { call, member }) => {
    const before = query.cursor === undefined ? undefined : readCursor(query.cursor)
    // One more than the page, which tells whether there is a next.
    const stretch = { before, limit: query.limit + 1 }
    const found = await deps.notices.list(await member(), stretch, call)
    const items = found.slice(0, query.limit)
    const last = items.at(-1)
    const hasNext = found.length > items.length && last !== undefined
    return { items: items.map(present), ...(hasNext ? { next: formatCursor(last.id) } : {}) }
  })

  service.serve(notifier.countUnread, async (_input, { call, member }) => {
    const counted = await deps.notices.countUnread(await member(), unreadCounted + 1, call)
    return { count: Math.min(counted, unreadCounted), isMore: counted > unreadCounted }
  })

  service.serve(notifier.readNotification, async ({ params, query }, { call, member }) => {
    const entry = {
      member: await member(),
      id: parseTypedId('ntc', params.notification),
      at: deps.clock.now(),
      older: query.older === 'true',
    }
    if (!(await deps.notices.read(entry, call))) throw new NotificationNotFoundError()
    return undefined
  })
}
