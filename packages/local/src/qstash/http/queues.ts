import type { Answer } from '../../control/exchange.ts'
import type { Hub } from '../hub.ts'
import { cancel, ensureQueue } from '../lifecycle.ts'
import { checkName, checkParallelism } from '../queues.ts'
import type { Queue } from '../queues.ts'
import { forgetRecord, saveQueue } from '../records.ts'
import { Refusal } from '../refusal.ts'
import { queueView } from '../views.ts'
import { empty, json, jsonObject, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'

/** `/v2/queues…` */
export function queues(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [name, action] = segments
  const { method } = exchange
  if (name === undefined) {
    if (method === 'GET') return json(200, [...hub.queues.values()].map(queueView))
    if (method === 'POST') return upsert(request)
    throw methodNotAllowed(request)
  }
  checkName(name, 'queue name')
  if (action === 'pause' || action === 'resume') {
    if (method !== 'POST') throw methodNotAllowed(request)
    return setPaused(hub, find(hub, name), action === 'pause')
  }
  if (action !== undefined) throw notFound('route')
  if (method === 'GET') return json(200, queueView(find(hub, name)))
  if (method !== 'DELETE') throw methodNotAllowed(request)
  remove(hub, name)
  return empty()
}

function upsert(request: ApiRequest): Answer {
  const { hub } = request
  const { queueName, parallelism, paused } = jsonObject(request)
  if (typeof queueName !== 'string') throw new Refusal(400, 'queueName is missing')
  checkName(queueName, 'queue name')
  const wanted = parallelism === undefined ? undefined : checkParallelism(parallelism, hub.limits)
  if (paused !== undefined && typeof paused !== 'boolean') {
    throw new Refusal(400, 'paused must be true or false')
  }
  const queue = ensureQueue(hub, queueName)
  queue.parallelism = wanted ?? queue.parallelism
  queue.paused = paused ?? queue.paused
  queue.updatedAt = hub.now()
  saveQueue(hub, queueName)
  return empty()
}

function setPaused(hub: Hub, queue: Queue, paused: boolean): Answer {
  queue.paused = paused
  queue.updatedAt = hub.now()
  saveQueue(hub, queue.name)
  return empty()
}

/** Takes its messages with it: they have no queue to wait in. Deleting what is not there is no error. */
function remove(hub: Hub, name: string): void {
  const queue = hub.queues.get(name)
  if (queue === undefined) return
  for (const message of queue.members) cancel(hub, message)
  hub.queues.delete(name)
  forgetRecord(hub, { kind: 'queue', key: name })
}

function find(hub: Hub, name: string): Queue {
  const queue = hub.queues.get(name)
  if (queue === undefined) throw notFound(`queue "${name}"`)
  return queue
}
