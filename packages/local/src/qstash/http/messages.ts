import type { Answer } from '../../control/exchange.ts'
import { newId, nextPosition } from '../hub.ts'
import type { Hub } from '../hub.ts'
import { cancel } from '../lifecycle.ts'
import type { BulkAction, Message } from '../model.ts'
import { forgetRecord, saveRecord } from '../records.ts'
import { Refusal } from '../refusal.ts'
import { messageView } from '../views.ts'
import {
  countParam,
  filterRecord,
  flagParam,
  listParam,
  messageFields,
  readFilter,
  readParams,
} from './params.ts'
import type { Params } from './params.ts'
import { json, jsonObject, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'

/** `/v2/messages…` */
export function messages(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [id] = segments
  if (segments.length > 1) throw notFound('route')
  if (id === undefined) {
    if (exchange.method === 'DELETE') return cancelMany(request)
    throw methodNotAllowed(request)
  }
  const message = hub.messages.get(id)
  if (message === undefined) throw notFound(`message "${id}"`)
  if (exchange.method === 'GET') return json(200, messageView(message))
  if (exchange.method !== 'DELETE') throw methodNotAllowed(request)
  cancel(hub, message)
  return json(202, { cancelled: 1 })
}

/**
 * By ids (query, or JSON body as the Python client sends them) the answer is the number cancelled.
 * By filter, or all, it is a bulk action, which here is always finished when it is answered; `count` is
 * ignored, as documented.
 */
function cancelMany(request: ApiRequest): Answer {
  const { hub } = request
  const params = readParams(request, messageFields)
  const ids = [...listParam(params, 'messageIds'), ...idsInBody(request, 'messageIds')]
  if (ids.length > 0) {
    const found = ids.map((id) => hub.messages.get(id)).filter((one) => one !== undefined)
    return json(202, { cancelled: cancelAll(hub, found) })
  }
  const matches = readFilter(params)
  const isAsync = flagParam(params, 'async')
  const found = [...hub.messages.values()].filter(
    (message) => !message.cancelRequested && matches({ message, time: message.createdAt }),
  )
  const cancelled = cancelAll(hub, found)
  const actionId = recordAction(hub, params, cancelled)
  return json(202, isAsync ? { cancelled, actionId } : { cancelled })
}

function cancelAll(hub: Hub, found: readonly Message[]): number {
  return found.filter((message) => cancel(hub, message)).length
}

/** @throws Refusal 400 when the field is there and is no list of strings. */
export function idsInBody(request: ApiRequest, field: string): readonly string[] {
  const value = jsonObject(request)[field]
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new Refusal(400, `${field} must be a list`)
  return value.map(String)
}

/** Bulk actions are kept for 7 days. */
const actionLifeMs = 7 * 86_400_000

function recordAction(hub: Hub, params: Params, total: number): string {
  const now = hub.now()
  const action: BulkAction = {
    actionId: newId(hub, 'bulk', nextPosition(hub)),
    kind: 'cancel',
    state: 'FINISHED',
    total,
    processed: total,
    createdAt: now,
    completedAt: now,
    filter: filterRecord(params),
  }
  hub.bulkActions.set(action.actionId, action)
  saveRecord(hub, { kind: 'bulk', key: action.actionId }, action)
  for (const [key, { createdAt }] of hub.bulkActions) {
    if (now - createdAt < actionLifeMs && hub.bulkActions.size <= hub.limits.bulkActions) break
    hub.bulkActions.delete(key)
    forgetRecord(hub, { kind: 'bulk', key })
  }
  return action.actionId
}

/** `GET /v2/bulkActions[/<id>]`: newest first. */
export function bulkActions(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  if (exchange.method !== 'GET') throw methodNotAllowed(request)
  const [id] = segments
  if (id !== undefined) {
    const action = hub.bulkActions.get(id)
    if (action === undefined) throw notFound(`bulk action "${id}"`)
    return json(200, action)
  }
  const params = readParams(request, ['cursor', 'count', 'state'])
  const state = params.get('state')?.[0]
  if (state !== undefined && !['IN_PROGRESS', 'FINISHED'].includes(state)) {
    throw new Refusal(400, `invalid state "${state}"`)
  }
  const all = [...hub.bulkActions.values()].toReversed()
  const cursor = params.get('cursor')?.[0]
  const start = cursor === undefined ? 0 : all.findIndex((one) => one.actionId === cursor) + 1
  if (cursor !== undefined && start === 0) throw new Refusal(400, `invalid cursor "${cursor}"`)
  const page = all.slice(start, start + countParam(params, 100, 1000))
  const hasMore = start + page.length < all.length
  return json(200, {
    bulkActions: page.filter((one) => state === undefined || one.state === state),
    cursor: hasMore ? page.at(-1)?.actionId : undefined,
  })
}
