import type { Answer } from '../../control/exchange.ts'
import { parseCron } from '../cron.ts'
import { isUrl } from '../destination.ts'
import { readEnvelope } from '../envelope.ts'
import { resolveDestination } from '../fan-out.ts'
import { newId, nextPosition } from '../hub.ts'
import type { Hub } from '../hub.ts'
import type { Schedule } from '../model.ts'
import { checkName } from '../queues.ts'
import { forgetRecord, saveSchedule, saveScheduleState } from '../records.ts'
import { Refusal } from '../refusal.ts'
import { nextTrigger, refreshScheduleWake } from '../schedules.ts'
import { scheduleView } from '../views.ts'
import { empty, json, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'
import { callerIp, readWish } from './wish.ts'
import type { Wish } from './wish.ts'

/** `/v2/schedules…`. Pause and resume by PATCH, as the clients do, and by POST, as the documents say. */
export function schedules(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [id, action] = segments
  const { method } = exchange
  if (id === undefined) {
    if (method === 'GET') return json(200, [...hub.schedules.values()].map(scheduleView))
    throw methodNotAllowed(request)
  }
  const isAction = segments.length === 2 && (action === 'pause' || action === 'resume')
  if (isAction && !isUrl(request.rest) && (method === 'PATCH' || method === 'POST')) {
    return setPaused(hub, id, action === 'pause')
  }
  if (method === 'POST') return putSchedule(hub, readWish(request, request.rest))
  if (segments.length > 1) throw notFound(`schedule "${segments.join('/')}"`)
  if (method === 'GET') return json(200, scheduleView(find(hub, id)))
  if (method !== 'DELETE') throw methodNotAllowed(request)
  remove(hub, id)
  return empty()
}

/** Creates a schedule, or replaces the settings of the one with the same id; a paused one stays paused. */
export function putSchedule(hub: Hub, wish: Wish): Answer {
  const cron = wish.headers['upstash-cron']?.trim()
  if (cron === undefined || cron === '') throw new Refusal(400, 'Upstash-Cron is missing')
  parseCron(cron)
  const { group } = resolveDestination(hub, wish.destination)
  const headers = { ...group?.headers, ...wish.headers }
  const { body } = wish
  const envelope = readEnvelope({ headers, body, callerIp, token: hub.token }, hub.limits)
  const queueName = headers['upstash-queue-name']
  if (queueName !== undefined) checkName(queueName, 'queue name')
  const id = headers['upstash-schedule-id'] ?? newId(hub, 'scd', nextPosition(hub))
  checkName(id, 'schedule id')
  const old = hub.schedules.get(id)
  if (old === undefined && hub.schedules.size >= hub.limits.schedules) {
    throw new Refusal(412, `number of schedules exceeds the limit of ${hub.limits.schedules}`)
  }
  const schedule: Schedule = {
    id,
    cron,
    destination: wish.destination,
    createdAt: old?.createdAt ?? hub.now(),
    envelope,
    queueName,
    paused: old?.paused ?? false,
    nextAt: undefined,
    lastAt: old?.lastAt,
    lastStates: old?.lastStates ?? {},
  }
  schedule.nextAt = nextTrigger(schedule, hub.now())
  hub.schedules.set(id, schedule)
  saveSchedule(hub, schedule)
  refreshScheduleWake(hub)
  return json(200, { scheduleId: id })
}

function setPaused(hub: Hub, id: string, paused: boolean): Answer {
  const schedule = find(hub, id)
  schedule.paused = paused
  saveScheduleState(hub, schedule)
  return empty()
}

/** Deleting what is not there is no error: the documents list no 404. */
function remove(hub: Hub, id: string): void {
  if (!hub.schedules.delete(id)) return
  forgetRecord(hub, { kind: 'schedule', key: id })
  forgetRecord(hub, { kind: 'schedule-state', key: id })
  refreshScheduleWake(hub)
}

function find(hub: Hub, id: string): Schedule {
  const schedule = hub.schedules.get(id)
  if (schedule === undefined) throw notFound(`schedule "${id}"`)
  return schedule
}
