import type { Answer } from '../../control/exchange.ts'
import { resetRate } from '../flow-keys.ts'
import type { FlowKey } from '../flow-keys.ts'
import { parsePeriod, positive } from '../flow-value.ts'
import type { Hub } from '../hub.ts'
import { ensureFlow } from '../lifecycle.ts'
import { saveFlow } from '../records.ts'
import { Refusal } from '../refusal.ts'
import { flowView } from '../views.ts'
import { flagParam, readParams } from './params.ts'
import { empty, json, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'

/** `/v2/flowControl…`. A key that was never used may be paused or pinned; only reading it is a 404. */
export function flowControl(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [key, action] = segments
  if (key === undefined) return list(request)
  if (key === '') throw new Refusal(400, 'flow control key is missing')
  if (action === undefined) {
    if (exchange.method !== 'GET') throw methodNotAllowed(request)
    const flow = hub.flowKeys.get(key)
    if (flow === undefined) throw notFound(`flow control key "${key}"`)
    return json(200, flowView(flow, hub.now()))
  }
  const act = Object.hasOwn(actions, action) ? actions[action] : undefined
  if (act === undefined) throw notFound('route')
  if (exchange.method !== 'POST') throw methodNotAllowed(request)
  act(request, ensureFlow(hub, key))
  saveFlow(hub, key)
  return empty()
}

type Act = (request: ApiRequest, flow: FlowKey) => void

const actions: Readonly<Record<string, Act>> = {
  pause: (_, flow) => {
    flow.paused = true
  },
  resume: (_, flow) => {
    flow.paused = false
  },
  resetRate: ({ hub }, flow) => resetRate(flow, hub.now()),
  pin,
  unpin,
}

/** Pinning begins a new rate period. */
function pin(request: ApiRequest, flow: FlowKey): void {
  const params = readParams(request, ['parallelism', 'rate', 'period'])
  const parallelism = positive(params.get('parallelism')?.[0], 'parallelism')
  const rate = positive(params.get('rate')?.[0], 'rate')
  const period = params.get('period')?.[0]
  if (parallelism === undefined && rate === undefined && period === undefined) {
    throw new Refusal(400, 'invalid flow control: nothing to pin')
  }
  if (parallelism !== undefined) {
    flow.parallelism = parallelism
    flow.pinnedParallelism = true
  }
  if (rate !== undefined || period !== undefined) {
    flow.rate = rate ?? flow.rate
    flow.period = period === undefined ? flow.period : parsePeriod(period)
    flow.pinnedRate = true
  }
  resetRate(flow, request.hub.now())
}

/** The pinned values stay in force until the next message brings others. */
function unpin(request: ApiRequest, flow: FlowKey): void {
  const params = readParams(request, ['parallelism', 'rate'])
  if (flagParam(params, 'parallelism')) flow.pinnedParallelism = false
  if (flagParam(params, 'rate')) flow.pinnedRate = false
}

function list(request: ApiRequest): Answer {
  const { hub, exchange } = request
  if (exchange.method !== 'GET') throw methodNotAllowed(request)
  const search = readParams(request, ['search']).get('search')?.[0] ?? ''
  const found = [...hub.flowKeys.values()].filter(({ key }) => key.includes(search))
  return json(
    200,
    found.map((flow) => flowView(flow, hub.now())),
  )
}

/** `GET /v2/globalParallelism` */
export function globalParallelism(request: ApiRequest): Answer {
  const { hub, exchange } = request
  if (exchange.method !== 'GET') throw methodNotAllowed(request)
  return json(200, parallelismOf(hub))
}

function parallelismOf({ limits, flights }: Hub): Record<string, number> {
  return { parallelismMax: limits.parallelism, parallelismCount: flights.size }
}
