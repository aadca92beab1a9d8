import { type Call, type QueuePort, type SqlShard, within } from '@stoa/kernel'
import { inboxUrl } from '@stoa/messaging'

import { databasesMax, inRange, type Range, rangesOf } from './fan-out.ts'
import { rotated, tickOf } from './rotation.ts'
import { settleMoves, type SettleDeps } from './settle.ts'
import { sweepAll, type SweepDeps, sweepMsMax, type Swept } from './sweep.ts'

export type TickDeps = SweepDeps &
  SettleDeps & {
    readonly shards: (call: Call) => Promise<readonly SqlShard[]>
    /** Takes over what the queue gave up. */
    readonly mirror: (call: Call) => Promise<unknown>
    readonly queue: QueuePort
    readonly publicUrl: string
  }

/** Publishes from the databases of a range, another one first on each tick. */
export async function sweepRange(range: Range, deps: TickDeps, call: Call): Promise<Swept> {
  const shards = inRange(await deps.shards(within(call, sweepMsMax, deps.clock)), range)
  return sweepAll(rotated(shards, tickOf(deps.clock.now())), deps, call)
}

/**
 * What each minute brings: moves that somebody left half-way, what the queue gave up, then the databases. Up to 200 of
 * them are worked on at once; more are told of to the relay itself, a message for each 200.
 */
export async function runTick(deps: TickDeps, call: Call): Promise<Swept> {
  const { clock, report, queue, publicUrl } = deps
  // First: keys that are frozen take no writes until somebody goes on. What fails here must not stop the events.
  const first = [
    (own: Call) => settleMoves(deps, clock.now(), own),
    (own: Call) => deps.mirror(own),
  ]
  for (const work of first) {
    await work(within(call, sweepMsMax, clock)).catch((error: unknown) =>
      report(error, call.requestId),
    )
  }
  const shards = await deps.shards(within(call, sweepMsMax, clock))
  const tick = tickOf(clock.now())
  if (shards.length <= databasesMax) return sweepAll(rotated(shards, tick), deps, call)
  const wakes = rangesOf(shards.map(({ name }) => name)).map((range) => ({
    url: inboxUrl(publicUrl, 'relay'),
    body: JSON.stringify({ wake: range }),
    headers: { 'content-type': 'application/json' },
    deduplicationId: `wake-${tick}-${range.from ?? ''}`,
    // The next tick wakes it anew.
    retries: 0,
    label: 'relay',
  }))
  const answers = await queue.publish(wakes, call)
  const refused = answers.filter((answer) => 'error' in answer).length
  if (refused > 0) report(new Error(`Cannot wake ${refused} ranges of databases`), call.requestId)
  return { published: 0, failed: 0 }
}
