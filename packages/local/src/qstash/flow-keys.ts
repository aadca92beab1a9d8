import type { Limits } from './limits.ts'
import { Line } from './line.ts'
import type { FlowSpec, Message } from './model.ts'

/** The state of one flow-control key. Counters are not stored: a restart begins a new rate period. */
export type FlowKey = {
  readonly key: string
  parallelism: number | undefined
  rate: number | undefined
  /** Seconds. */
  period: number
  pinnedParallelism: boolean
  pinnedRate: boolean
  paused: boolean
  /** Deliveries under way. */
  active: number
  rateCount: number
  /** Unix ms. */
  periodStart: number
  readonly line: Line
}

export function newFlowKey(key: string): FlowKey {
  return {
    key,
    parallelism: undefined,
    rate: undefined,
    period: 1,
    pinnedParallelism: false,
    pinnedRate: false,
    paused: false,
    active: 0,
    rateCount: 0,
    periodStart: 0,
    line: new Line('flow'),
  }
}

/** The last message's settings win, but for those pinned. */
export function configure(flow: FlowKey, spec: FlowSpec): void {
  if (!flow.pinnedParallelism) flow.parallelism = spec.parallelism
  if (flow.pinnedRate) return
  flow.rate = spec.rate
  flow.period = spec.period
}

/** The next message the key lets through now; it is counted. */
export function takePermit(flow: FlowKey, now: number): Message | undefined {
  if (flow.paused || flow.line.peek() === undefined) return undefined
  if (flow.parallelism !== undefined && flow.active >= flow.parallelism) return undefined
  if (now >= periodEnd(flow)) {
    flow.periodStart = now
    flow.rateCount = 0
  }
  if (flow.rate !== undefined && flow.rateCount >= flow.rate) return undefined
  flow.active += 1
  flow.rateCount += 1
  return flow.line.shift()
}

export function periodEnd(flow: FlowKey): number {
  return flow.periodStart + flow.period * 1000
}

/** When a key that is out of rate may go on; `undefined` when time alone does not help. */
export function flowWakeAt(flow: FlowKey): number | undefined {
  if (flow.paused || flow.rate === undefined || flow.rateCount < flow.rate) return undefined
  if (flow.parallelism !== undefined && flow.active >= flow.parallelism) return undefined
  return flow.line.peek() === undefined ? undefined : periodEnd(flow)
}

export function resetRate(flow: FlowKey, now: number): void {
  flow.rateCount = 0
  flow.periodStart = now
}

/** Forgets idle keys once there are too many: keys are unlimited, memory is not. */
export function evictIdle(keys: Map<string, FlowKey>, now: number, limits: Limits): void {
  if (keys.size <= limits.flowKeys) return
  for (const [name, flow] of keys) {
    if (keys.size <= limits.flowKeys) return
    const fixed = flow.paused || flow.pinnedParallelism || flow.pinnedRate
    const idle = flow.active === 0 && flow.line.peek() === undefined && now >= periodEnd(flow)
    if (!fixed && idle) keys.delete(name)
  }
}
