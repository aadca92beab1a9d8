import type { Answer } from '../../control/exchange.ts'
import { randomText } from '../hub.ts'
import { saveRecord } from '../records.ts'
import { json, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'

/** `GET /v2/keys`, `POST /v2/keys/rotate`: the next key becomes the current one. */
export function keys(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [action] = segments
  if (action === undefined) {
    if (exchange.method !== 'GET') throw methodNotAllowed(request)
    return json(200, hub.keys)
  }
  if (action !== 'rotate') throw notFound('route')
  if (exchange.method !== 'POST') throw methodNotAllowed(request)
  hub.keys = { current: hub.keys.next, next: `sig_${randomText(hub, 28)}` }
  saveRecord(hub, { kind: 'setting', key: 'signing-keys' }, hub.keys)
  return json(200, hub.keys)
}
