import { type Call, type Clock, isFault, remainingMs, typedId } from '@stoa/kernel'

import { type DueDelivery, type Outcome, outcomeOf, WebhooksPendingError } from './delivery.ts'
import type { DeliveryStore, PostWebhook } from './ports.ts'
import { signedHeaders } from './sign.ts'
import { acceptUrl, type UrlPolicy } from './webhook-url.ts'

/** How long a receiver may take to answer. */
export const answerMsMax = 15_000
/** What writing the outcome down may take: an attempt that could not be written down is not begun. */
const recordMsMax = 1_000
/** Six requests may wait for headers in a Worker; one stays free for the database. */
const attemptsAtOnce = 5

type Deps = {
  readonly deliveries: DeliveryStore
  readonly post: PostWebhook
  readonly urlPolicy: UrlPolicy
  readonly clock: Clock
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

async function attempt(deps: Deps, delivery: DueDelivery, call: Call): Promise<Outcome> {
  if (!delivery.isActive || !isAccepted(delivery.url, deps.urlPolicy)) {
    return { state: 'failed', status: undefined, isGone: false }
  }
  const id = typedId('whd', delivery.id)
  const seconds = Math.floor(deps.clock.now() / 1_000)
  const body = delivery.payload
  const headers = await signedHeaders({ id, seconds, body }, delivery.secret)
  return outcomeOf(await deps.post({ url: delivery.url, headers, body }, call), delivery.attempts)
}

/** True when the delivery needs no further attempt. */
async function settle(deps: Deps, delivery: DueDelivery, call: Call): Promise<boolean> {
  if (remainingMs(call, deps.clock) < answerMsMax + recordMsMax) return false
  const outcome = await attempt(deps, delivery, call)
  await deps.deliveries.record(delivery, { ...outcome, at: deps.clock.now() }, call)
  return outcome.state !== 'pending'
}

/**
 * Attempts each delivery that is still pending, the least tried first, five at a time, for as long as the call lasts.
 *
 * A receiver is called at least once and perhaps more: an answer, or the row that says it came, can be lost, and an
 * event can come twice at the same time. All calls of a delivery have one `webhook-id` and the same bytes.
 *
 * @throws WebhooksPendingError when some must be tried again; another failure goes before it.
 */
export async function attemptDeliveries(
  deps: Deps,
  ids: readonly string[],
  call: Call,
): Promise<void> {
  const known = await deps.deliveries.due([...new Set(ids)], call)
  const pending = known.filter(({ state }) => state === 'pending')
  const queue = pending.toSorted((a, b) => a.attempts - b.attempts).values()
  const failures: unknown[] = []
  let open = 0
  const work = async () => {
    for (const delivery of queue) {
      const done = await settle(deps, delivery, call).catch((error: unknown) => {
        failures.push(error)
        return true
      })
      if (!done) open += 1
    }
  }
  await Promise.all(Array.from({ length: attemptsAtOnce }, work))
  if (failures.length > 0) throw failures[0]
  if (open > 0) throw new WebhooksPendingError(open)
}
