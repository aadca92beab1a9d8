import { timingSafeEqual } from 'node:crypto'

import type { Answer, Exchange } from '../../control/exchange.ts'
import { decode } from '../destination.ts'
import type { Hub } from '../hub.ts'
import { Refusal } from '../refusal.ts'
import { dlq } from './dlq.ts'
import { flowControl, globalParallelism } from './flow-control.ts'
import { keys } from './keys.ts'
import { events, logs } from './logs.ts'
import { bulkActions, messages } from './messages.ts'
import { batch, enqueue, publish } from './publish.ts'
import { queues } from './queues.ts'
import { json, notFound, openRequest } from './request.ts'
import type { Route } from './request.ts'
import { schedules } from './schedules.ts'
import { urlGroups } from './url-groups.ts'

const routes: Readonly<Record<string, Route>> = {
  publish,
  enqueue,
  batch,
  messages,
  queues,
  schedules,
  topics: urlGroups,
  events,
  logs,
  dlq,
  flowControl,
  globalParallelism,
  keys,
  bulkActions,
}

/** Answers one API request. Changes are made in memory and written to the journal, not yet committed. */
export function route(hub: Hub, exchange: Exchange): Answer {
  try {
    return dispatch(hub, exchange)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const answer = json(error.status, { error: error.message })
    return { ...answer, headers: { ...answer.headers, ...error.headers } }
  }
}

function dispatch(hub: Hub, exchange: Exchange): Answer {
  const opened = openRequest(hub, exchange)
  if (opened?.resource === 'readiness') return json(200, { ready: true })
  if (opened?.resource === 'liveness' || opened?.resource === 'health') {
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'OK' }
  }
  if (!isAuthorized(exchange, opened?.request.query, hub.token)) {
    throw new Refusal(401, 'unauthorized: the token is missing or wrong')
  }
  const found =
    opened !== undefined && Object.hasOwn(routes, opened.resource)
      ? routes[opened.resource]
      : undefined
  if (opened === undefined || found === undefined) throw notFound(`route ${exchange.target}`)
  return found(opened.request)
}

/** By `Authorization: Bearer`, or by `?qstash_token=` for those who cannot set headers. */
function isAuthorized(exchange: Exchange, query: string | undefined, token: string): boolean {
  const [, bearer] = /^Bearer\s+(\S+)$/i.exec(exchange.headers['authorization'] ?? '') ?? []
  if (bearer !== undefined && isSame(bearer, token)) return true
  const pair = (query ?? '').split('&').find((one) => one.startsWith('qstash_token='))
  if (pair === undefined) return false
  const raw = pair.slice('qstash_token='.length)
  return isSame(raw, token) || isSame(decode(raw), token)
}

function isSame(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
