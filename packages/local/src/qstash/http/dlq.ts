import type { Answer } from '../../control/exchange.ts'
import { exhume } from '../dead-letters.ts'
import { readEnvelope } from '../envelope.ts'
import type { Hub } from '../hub.ts'
import { admit, checkRoom, ensureQueue } from '../lifecycle.ts'
import type { DlqEntry } from '../model.ts'
import { Refusal } from '../refusal.ts'
import { dlqView } from '../views.ts'
import { idsInBody } from './messages.ts'
import { countParam, dlqFields, listParam, readFilter, readParams } from './params.ts'
import type { Params } from './params.ts'
import { empty, json, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'
import { callerIp } from './wish.ts'

/** The most one list, delete or retry takes in; the clients page with the cursor. */
const pageMax = 1000
const pageDefault = 100

/** `/v2/dlq…` */
export function dlq(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [id, retryId] = segments
  const { method } = exchange
  if (id === 'retry') {
    if (method !== 'POST') throw methodNotAllowed(request)
    return retryId === undefined ? retryMany(request) : retryOne(request, retryId)
  }
  if (segments.length > 1) throw notFound('route')
  if (id === undefined) {
    if (method === 'GET') return list(request)
    if (method === 'DELETE') return removeMany(request)
    throw methodNotAllowed(request)
  }
  const entry = find(hub, id)
  if (method === 'GET') return json(200, dlqView(entry))
  if (method !== 'DELETE') throw methodNotAllowed(request)
  exhume(hub, entry)
  return empty()
}

function list(request: ApiRequest): Answer {
  const page = select(request.hub, readParams(request, dlqFields))
  return json(200, { messages: page.entries.map(dlqView), cursor: page.cursor })
}

function removeMany(request: ApiRequest): Answer {
  const { hub } = request
  const params = readParams(request, dlqFields)
  const ids = [...listParam(params, 'dlqIds'), ...idsInBody(request, 'dlqIds')]
  if (ids.length > 0) {
    const found = [...new Set(ids)].map((id) => hub.dlq.get(id)).filter((one) => one !== undefined)
    for (const entry of found) exhume(hub, entry)
    return json(200, { deleted: found.length })
  }
  const page = select(hub, params)
  for (const entry of page.entries) exhume(hub, entry)
  return json(200, { deleted: page.entries.length, cursor: page.cursor })
}

/** With ids it is all or nothing: one that is missing is a 404 and nothing is retried. */
function retryMany(request: ApiRequest): Answer {
  const { hub } = request
  const params = readParams(request, dlqFields)
  const ids = listParam(params, 'dlqIds')
  if (ids.length > 0) {
    const found = [...new Set(ids)].map((id) => find(hub, id))
    return json(201, { cursor: '', responses: found.map((entry) => retry(request, entry)) })
  }
  const page = select(hub, params)
  const responses = page.entries.map((entry) => retry(request, entry))
  return json(201, { cursor: page.cursor ?? '', responses })
}

function retryOne(request: ApiRequest, id: string): Answer {
  return json(201, retry(request, find(request.hub, id)))
}

/** Publishes the message anew under another id; the request's `Upstash-*` headers override its settings. */
function retry({ hub, exchange }: ApiRequest, entry: DlqEntry): { messageId: string } {
  const { message } = entry
  const { body } = message.envelope
  const base = message.envelope
  const { headers } = exchange
  const envelope = readEnvelope({ headers, body, callerIp, token: hub.token, base }, hub.limits)
  checkRoom(hub, envelope, 1)
  if (message.queueName !== undefined) ensureQueue(hub, message.queueName)
  const { url, topicName, endpointName, queueName, scheduleId } = message
  const made = admit(hub, { url, topicName, endpointName, queueName, scheduleId, envelope })
  exchange.tally.add('messages', 1)
  exhume(hub, entry)
  return { messageId: made.id }
}

type Page = { readonly entries: readonly DlqEntry[]; readonly cursor: string | undefined }

/** One page, oldest first unless `order=latestFirst`. The cursor is the id of the last entry seen. */
function select(hub: Hub, params: Params): Page {
  const matches = readFilter(params)
  const count = countParam(params, pageDefault, pageMax)
  const order = params.get('order')?.[0]
  const all = [...hub.dlq.values()]
  if (order === 'latestFirst') all.reverse()
  const after = params.get('cursor')?.[0]
  const start = after === undefined || after === '' ? 0 : startAfter(all, after, order)
  const entries: DlqEntry[] = []
  for (const entry of all.slice(start)) {
    const { message, time, id: dlqId } = entry
    if (!matches({ message, time, dlqId, responseStatus: entry.response.status })) continue
    if (entries.length === count) return { entries, cursor: entries.at(-1)?.id }
    entries.push(entry)
  }
  return { entries, cursor: undefined }
}

/** By value, not by place: the entry the cursor names may be gone meanwhile. */
function startAfter(all: readonly DlqEntry[], cursor: string, order: string | undefined): number {
  if (!/^\d+-\d+$/.test(cursor)) throw new Refusal(400, `invalid cursor "${cursor}"`)
  const isAfter = (entry: DlqEntry) =>
    order === 'latestFirst' ? rank(entry.id) < rank(cursor) : rank(entry.id) > rank(cursor)
  const at = all.findIndex(isAfter)
  return at === -1 ? all.length : at
}

function rank(id: string): number {
  const [time = 0, count = 0] = id.split('-').map(Number)
  return time * 1000 + count
}

function find(hub: Hub, id: string): DlqEntry {
  const entry = hub.dlq.get(id)
  if (entry === undefined) throw notFound(`DLQ message "${id}"`)
  return entry
}
