import type { Answer, Exchange } from '../../control/exchange.ts'
import { parseDuration } from '../duration.ts'
import type { Hub } from '../hub.ts'
import { nextWakeAt } from '../pump.ts'
import { Refusal } from '../refusal.ts'
import type { Runner } from '../runner.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { json, parseJson } from './request.ts'

export type ClockControl = {
  readonly hub: Hub
  readonly clock: VirtualClock
  readonly runner: Runner
}

/** The farthest one command may move the clock. */
const farthestMs = 400 * 86_400_000

/**
 * `GET /_local/clock`, `POST {"advance": "24h" | ms}`, `{"set": unix ms}`, `{"pause": true | false}`.
 * The answer comes when every delivery due on the way is made.
 */
export async function clockRoute(control: ClockControl, exchange: Exchange): Promise<Answer> {
  try {
    if (exchange.method === 'GET') return json(200, state(control))
    if (exchange.method !== 'POST') throw new Refusal(405, 'use GET or POST')
    return json(200, await command(control, exchange.body))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return json(error.status, { error: error.message })
  }
}

async function command(control: ClockControl, body: Uint8Array): Promise<unknown> {
  const given = parseJson(body)
  const { advance, set, pause }: Record<string, unknown> =
    typeof given === 'object' && given !== null ? { ...given } : {}
  if (typeof pause === 'boolean') await control.runner.setPaused(pause)
  const now = control.clock.now()
  const target = targetOf(advance, set, now)
  if (target === undefined) {
    if (typeof pause === 'boolean') return state(control)
    throw new Refusal(400, 'give one of "advance", "set" and "pause"')
  }
  if (target < now) throw new Refusal(400, 'the clock does not go back')
  if (target - now > farthestMs) throw new Refusal(400, 'at most 400 days at a time')
  const complete = await control.runner.travel(target)
  return { ...state(control), complete }
}

function targetOf(advance: unknown, set: unknown, now: number): number | undefined {
  if (typeof set === 'number' && Number.isFinite(set)) return set
  if (typeof advance === 'number' && Number.isFinite(advance)) return now + advance
  if (typeof advance !== 'string') return undefined
  const duration = parseDuration(advance)
  if (duration === undefined) throw new Refusal(400, `invalid duration "${advance}"`)
  return now + duration
}

function state({ hub, clock }: ClockControl): Record<string, unknown> {
  return {
    now: clock.now(),
    offsetMs: clock.offsetMs,
    paused: clock.paused,
    nextWakeAt: nextWakeAt(hub) ?? null,
  }
}
