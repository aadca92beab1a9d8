import type { Answer } from '../../control/exchange.ts'
import { deduplicationKey, recall, remember } from '../deduplication.ts'
import { readEnvelope } from '../envelope.ts'
import { resolveDestination } from '../fan-out.ts'
import type { Remembered } from '../hub.ts'
import { admit, checkRoom, ensureQueue } from '../lifecycle.ts'
import { Refusal } from '../refusal.ts'
import { json, methodNotAllowed, parseJson } from './request.ts'
import type { ApiRequest } from './request.ts'
import { putSchedule } from './schedules.ts'
import { callerIp, readItem, readWish } from './wish.ts'
import type { Wish } from './wish.ts'

/** `POST /v2/publish/<destination>` */
export function publish(request: ApiRequest): Answer {
  if (request.exchange.method !== 'POST') throw methodNotAllowed(request)
  const wish = readWish(request, request.rest)
  if (wish.headers['upstash-cron'] !== undefined) return putSchedule(request.hub, wish)
  return answer(fulfil(request, wish))
}

/** `POST /v2/enqueue/<queue>/<destination>` */
export function enqueue(request: ApiRequest): Answer {
  if (request.exchange.method !== 'POST') throw methodNotAllowed(request)
  const slash = request.rest.indexOf('/')
  if (slash === -1) throw new Refusal(400, 'destination is missing')
  const [queueName = ''] = request.segments
  const wish = readWish(request, request.rest.slice(slash + 1))
  return answer(fulfil(request, { ...wish, queueName }))
}

/** `POST /v2/batch`: each item stands alone; one that is refused does not stop the others. */
export function batch(request: ApiRequest): Answer {
  const { exchange, hub } = request
  if (exchange.method !== 'POST') throw methodNotAllowed(request)
  if (exchange.body.length > hub.limits.batchBytes) {
    throw new Refusal(413, `batch exceeds the limit of ${hub.limits.batchBytes} bytes`)
  }
  const items = parseJson(exchange.body)
  if (!Array.isArray(items)) throw new Refusal(400, 'body must be a JSON array of messages')
  return json(
    200,
    items.map((item: unknown) => fulfilItem(request, item)),
  )
}

function fulfilItem(request: ApiRequest, item: unknown): unknown {
  try {
    return bodyOf(fulfil(request, readItem(item)))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { error: error.message }
  }
}

type Fulfilled = Omit<Remembered, 'expiresAt'> & { readonly deduplicated: boolean }

/** Turns a wish into messages, one for each URL. @throws Refusal when it cannot be granted. */
function fulfil({ hub, exchange }: ApiRequest, wish: Wish): Fulfilled {
  const { targets, group } = resolveDestination(hub, wish.destination)
  const headers = group === undefined ? wish.headers : { ...group.headers, ...wish.headers }
  const { body } = wish
  const envelope = readEnvelope({ headers, body, callerIp, token: hub.token }, hub.limits)
  const key = deduplicationKey(headers, wish.destination, envelope)
  const known = key === undefined ? undefined : recall(hub, key)
  if (known !== undefined) return { ...known, deduplicated: true }
  checkRoom(hub, envelope, targets.length)
  if (wish.queueName !== undefined) ensureQueue(hub, wish.queueName)
  const items = targets.map((target) => {
    const message = admit(hub, { ...target, envelope, queueName: wish.queueName })
    return { messageId: message.id, url: group === undefined ? undefined : target.url }
  })
  exchange.tally.add('messages', items.length)
  const made = { items, isGroup: group !== undefined }
  if (key !== undefined) remember(hub, key, made)
  return { ...made, deduplicated: false }
}

/** 202 tells a duplicate. A URL group is answered with an array, as the clients expect, though the OpenAPI file says otherwise. */
function answer(fulfilled: Fulfilled): Answer {
  return json(fulfilled.deduplicated ? 202 : 200, bodyOf(fulfilled))
}

function bodyOf({ items, isGroup, deduplicated }: Fulfilled): unknown {
  const shown = items.map((item) => (deduplicated ? { ...item, deduplicated } : item))
  return isGroup ? shown : shown[0]
}
