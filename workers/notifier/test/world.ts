import { type Call, manualClock, type Random, rootCall, secureRandom } from '@stoa/kernel'

import { type AttemptDeps, attemptDeliveries } from '../src/domain/attempt-deliveries.ts'
import type { Alarm } from '../src/domain/delivery.ts'
import type { Answer } from '../src/domain/outcome.ts'
import type { Webhook } from '../src/domain/ports.ts'
import { deliveryStore } from '../src/store/deliveries.ts'
import { access, ids, rows } from './harness.ts'

/** How a receiver answers: a status, or silence. */
export type Reply = number | 'silence' | Partial<Answer>

/** Chance that moves nothing: the middle of what it may give. */
export const still: Random = { ...secureRandom, uint32: () => 2 ** 31 }

export type World = {
  readonly clock: ReturnType<typeof manualClock>
  readonly deps: AttemptDeps
  /** Alarms that the queue was given, oldest first. */
  readonly rung: Alarm[]
  /** When each call of the receiver was, and what was sent. */
  readonly calls: { readonly at: number; readonly webhook: Webhook }[]
  attempt(this: void, ...deliveries: string[]): Promise<void>
}

/** The attempts of the service on the real databases, with a clock and receivers of the test's own. */
export function openWorld(
  answer: (webhook: Webhook, nth: number) => Reply | Promise<Reply>,
  random: Random = still,
): World {
  const clock = manualClock(Date.now() + 60_000)
  const rung: Alarm[] = []
  const calls: World['calls'] = []
  const post = async (webhook: Webhook): Promise<Answer> => {
    const begun = clock.now()
    calls.push({ at: begun, webhook })
    const reply = await answer(webhook, calls.length)
    const silent = { status: undefined, error: 'timeout', text: '', retryAfter: null } as const
    const base = { ...silent, begun, ended: clock.now() }
    if (reply === 'silence') return base
    if (typeof reply === 'number') return { ...base, status: reply, error: undefined }
    return { ...base, error: undefined, ...reply }
  }
  const deps: AttemptDeps = {
    deliveries: deliveryStore({ ...access, clock }),
    post,
    ringLater: async (alarms) => {
      rung.push(...alarms)
    },
    urlPolicy: { ownHost: 'api.stoa.example', allowLoopback: true },
    ids,
    clock,
    random,
  }
  const attempt = (...deliveries: string[]) => attemptDeliveries(deps, deliveries, call())
  return { clock, deps, rung, calls, attempt }
}

export function call(): Call {
  return rootCall('world')
}

/** Goes to the time of the newest alarm and makes the attempt, until none is rung; at most `most` times. */
export async function followAlarms(world: World, most = 1_000): Promise<void> {
  for (let times = 0; times < most; times += 1) {
    const alarm = world.rung.shift()
    if (alarm === undefined) return
    world.clock.advance(Math.max(0, alarm.at - world.clock.now()))
    await world.attempt(alarm.event.data.delivery)
  }
}

/** What the row of a member's endpoint says of its health. */
export async function healthOf(member: string) {
  const sql = `SELECT health, failures, state FROM webhook_endpoint WHERE member = ? ORDER BY id LIMIT 1`
  const [row = []] = await rows(member, sql, [member])
  const [health, failures, state] = row
  return { health, failures, state }
}

/** Alarms of a delivery that still wait in the outbox: the times at which the sweep publishes them. */
export async function waitingAlarms(delivery: string): Promise<readonly number[]> {
  const sql = `SELECT next_at FROM outbox WHERE okey = ? AND state = 'ready' ORDER BY next_at LIMIT 100`
  return (await rows(delivery, sql, [delivery])).map(([at]) => Number(at))
}
