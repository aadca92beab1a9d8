import type { Answer } from '../../control/exchange.ts'
import { logIndex } from '../logbook.ts'
import type { LogEntry } from '../model.ts'
import { Refusal } from '../refusal.ts'
import { logView } from '../views.ts'
import { countParam, logFields, readFilter, readParams } from './params.ts'
import { json, methodNotAllowed } from './request.ts'
import type { ApiRequest } from './request.ts'

const pageMax = 1000
const pageDefault = 100
/** Larger cursors are log positions in microseconds; smaller ones are the clients' plain `Date.now()`. */
const positionsBegin = 1e14

/** `GET /v2/events`, what the clients call: `{events, cursor?}`. */
export function events(request: ApiRequest): Answer {
  const { entries, cursor } = select(request)
  return json(200, { cursor, events: entries.map(logView) })
}

/** `GET /v2/logs`, what the OpenAPI file has: the same under another name. */
export function logs(request: ApiRequest): Answer {
  const { entries, cursor } = select(request)
  return json(200, { cursor, logs: entries.map(logView) })
}

type Page = { readonly entries: readonly LogEntry[]; readonly cursor: string | undefined }

/** One page, newest first unless `order=earliestFirst`; the cursor is absent on the last one. */
function select(request: ApiRequest): Page {
  if (request.exchange.method !== 'GET') throw methodNotAllowed(request)
  const params = readParams(request, logFields)
  const matches = readFilter(params)
  const count = countParam(params, pageDefault, pageMax)
  const { log } = request.hub
  const isForward = params.get('order')?.[0] === 'earliestFirst'
  const cursor = readCursor(params.get('cursor')?.[0])
  const step = isForward ? 1 : -1
  const entries: LogEntry[] = []
  for (let at = startAt(log, cursor, isForward); at >= 0 && at < log.length; at += step) {
    const entry = log[at]
    if (entry === undefined) break
    const { message, time, state, response } = entry
    const responseStatus = response === undefined ? {} : { responseStatus: response.status }
    if (!matches({ message, time, state, ...responseStatus })) continue
    if (entries.length === count) return { entries, cursor: `${entries.at(-1)?.pos}-0` }
    entries.push(entry)
  }
  return { entries, cursor: undefined }
}

function startAt(log: readonly LogEntry[], cursor: number | undefined, isForward: boolean): number {
  if (cursor === undefined) return isForward ? 0 : log.length - 1
  return isForward ? logIndex(log, cursor + 1) : logIndex(log, cursor) - 1
}

function readCursor(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const [, number] = /^(\d+)(?:-\d+)?$/.exec(text) ?? []
  if (number === undefined) throw new Refusal(400, `invalid cursor "${text}"`)
  const value = Number(number)
  return value < positionsBegin ? value * 1000 : value
}
