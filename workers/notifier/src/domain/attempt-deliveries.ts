import {
  type Call,
  type Clock,
  type Ids,
  isFault,
  type Random,
  remainingMs,
  typedId,
} from '@stoa/kernel'

import { alarmOf } from './alarm.ts'
import { type Alarm, type DueDelivery, WebhooksPendingError } from './delivery.ts'
import { heldMsMax, postponedTo } from './health.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { DeliveryStore, PostWebhook, RingLater } from './ports.ts'
import { signedHeaders } from './sign.ts'
import { acceptUrl, type UrlPolicy } from './webhook-url.ts'

/** How long a receiver may take to answer: Standard Webhooks recommend 15 to 30 s. */
export const answerMsMax = 15_000
/** What writing the outcome down may take: an attempt that could not be written down is not begun. */
const recordMsMax = 1_000
/** Six requests may wait for headers in a Worker; one stays free for the queue. */
const lanes = 5

export type AttemptDeps = {
  readonly deliveries: DeliveryStore
  readonly post: PostWebhook
  readonly ringLater: RingLater
  readonly urlPolicy: UrlPolicy
  readonly ids: Ids
  readonly clock: Clock
  readonly random: Random
}

/** Whether the address may be called; the policy may have become stricter since it was taken. */
function isAccepted(url: string, policy: UrlPolicy): boolean {
  try {
    return acceptUrl(url, policy) === url
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

async function post(deps: AttemptDeps, delivery: DueDelivery, call: Call) {
  const id = typedId('whd', delivery.id)
  const seconds = Math.floor(deps.clock.now() / 1_000)
  const body = delivery.payload
  const headers = await signedHeaders({ id, seconds, body }, delivery.secrets)
  return deps.post({ url: delivery.url, headers, body }, call)
}

/** Calls the receiver and writes down what became of it; nothing when it must not be called. */
async function attempt(
  deps: AttemptDeps,
  delivery: DueDelivery,
  call: Call,
): Promise<Outcome | undefined> {
  if (!delivery.isActive || !isAccepted(delivery.url, deps.urlPolicy)) {
    await deps.deliveries.giveUp(delivery, deps.clock.now(), call)
    return undefined
  }
  const answer = await post(deps, delivery, call)
  const outcome = outcomeOf(answer, delivery, deps.random)
  const alarm = outcome.state === 'pending' ? alarmOf(delivery, outcome.nextAt, deps) : undefined
  await deps.deliveries.record(delivery, { answer, outcome, alarm }, call)
  if (alarm !== undefined) await deps.ringLater([alarm], call)
  return outcome
}

/** Puts `waiting` off, the least tried first; what has waited too long for a suspended endpoint is given up. */
async function postpone(
  deps: AttemptDeps,
  waiting: readonly DueDelivery[],
  call: Call,
): Promise<void> {
  const now = deps.clock.now()
  const isHopeless = ({ health, begunAt }: DueDelivery) =>
    health === 'suspended' && begunAt + heldMsMax <= now
  for (const each of waiting.filter(isHopeless)) await deps.deliveries.giveUp(each, now, call)
  const entries = waiting
    .filter((each) => !isHopeless(each))
    .map((delivery, place) => ({
      delivery,
      alarm: alarmOf(delivery, postponedTo(delivery, { now, place }), deps),
    }))
  if (entries.length === 0) return
  await deps.deliveries.postpone(entries, call)
  await deps.ringLater(
    entries.map(({ alarm }): Alarm => alarm),
    call,
  )
}

type Line = readonly DueDelivery[]

/**
 * Attempts the deliveries of one endpoint, one after the other, while it answers as it should and the call lasts; the
 * others are put off. Answers how many attempts are held by somebody else.
 */
async function serveLine(deps: AttemptDeps, first: Line, call: Call): Promise<number> {
  let line = first
  let held = 0
  for (;;) {
    held += line.filter(({ turn }) => turn === 'held').length
    const mine = line.find(({ turn }) => turn === 'mine')
    const waiting = line.filter(({ turn }) => turn === 'over')
    const isLate = remainingMs(call, deps.clock) < answerMsMax + recordMsMax
    if (mine === undefined || isLate) {
      await postpone(deps, mine === undefined ? waiting : [mine, ...waiting], call)
      return held
    }
    const outcome = await attempt(deps, mine, call)
    if (waiting.length === 0) return held
    if (outcome?.isWell === false && !outcome.isGone) {
      await postpone(deps, waiting, call)
      return held
    }
    line = await claim(
      deps,
      waiting.map(({ id }) => id),
      call,
    )
  }
}

function claim(deps: AttemptDeps, ids: readonly string[], call: Call): Promise<Line> {
  const lease = { name: deps.ids.rootAt('00000'), now: deps.clock.now() }
  return deps.deliveries.claim(ids, lease, call)
}

/** Healthy endpoints first: one that has failed lately is the more likely to let others wait. */
function byHope(one: Line, other: Line): number {
  const rank = (line: Line) =>
    (line[0]?.health === 'healthy' ? 0 : 1_000) + (line[0]?.attempts ?? 0)
  return rank(one) - rank(other)
}

/**
 * Attempts the deliveries that are due: five endpoints at a time, and of each one delivery at a time, so that an endpoint
 * that hangs holds one lane of five. What its endpoint does not take now is put off, with an alarm of its own.
 *
 * A receiver is called at least once and perhaps more: an answer, or the row that says it came, can be lost. All calls
 * of a delivery have one `webhook-id` and the same bytes.
 *
 * @throws WebhooksPendingError when attempts are held by others, who may have died; another failure goes before it.
 */
export async function attemptDeliveries(
  deps: AttemptDeps,
  ids: readonly string[],
  call: Call,
): Promise<void> {
  if (ids.length === 0) return
  const due = await claim(deps, [...new Set(ids)], call)
  const byTries = due.toSorted((a, b) => a.attempts - b.attempts)
  const lines = [...Map.groupBy(byTries, ({ endpoint }) => endpoint).values()].toSorted(byHope)
  const queue = lines.values()
  const failures: unknown[] = []
  let held = 0
  const work = async () => {
    for (const line of queue) {
      const found = await serveLine(deps, line, call).catch((error: unknown) => {
        failures.push(error)
        return 0
      })
      // Not in one expression: the sum would be read before the wait.
      held += found
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
  if (failures.length > 0) throw failures[0]
  if (held > 0) throw new WebhooksPendingError(held)
}
