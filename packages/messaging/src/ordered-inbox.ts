import {
  type Call,
  type Clock,
  Fault,
  keyText,
  type RouteKey,
  ShardFencedError,
  slotOfKey,
  SqlConstraintError,
} from '@stoa/kernel'
import { inWaves, type Router } from '@stoa/sharding'

import type { Committed, Committer, Work } from './committer.ts'
import { advanceCursors, dropParked, ensureCursors, nextParked, parkEvents } from './cursors.ts'
import type { StoaEvent } from './event.ts'
import { eachAlone, halvesOf, isOutage } from './inbox.ts'
import { type Plan, planOf, type Stream, streamsOf } from './streams.ts'

/** What an event does to a consumer's rows; empty lists for one that says nothing to it. */
export type OrderedEffect = Pick<Work, 'statements' | 'events' | 'conditional'>

export type OrderedInbox = {
  /**
   * Applies the events of each aggregate exactly once and in their order, however they come: one that comes too early
   * is parked, and applied after its predecessor. One that fails stops the later ones of its own aggregate alone.
   *
   * Costs two round trips for each shard touched, and two more for what was parked.
   *
   * @throws the first failure, after all others were applied; the whole delivery may then come again.
   * @throws OrderContendedError when others kept moving the cursors.
   */
  apply(events: readonly StoaEvent[], call: Call): Promise<void>
}

export type OrderedInboxDeps = {
  readonly consumer: string
  readonly router: Router
  readonly committer: Committer
  readonly clock: Clock
  /** The key of the rows that an aggregate's events change, by the aggregate's id alone. Default: that id. */
  readonly keyOf?: (aggregate: string) => RouteKey
  /**
   * What an event does. It must rest on the event alone: several events of one aggregate may be applied in one batch, and
   * a parked one is asked for again when its turn has come.
   */
  readonly effectOf: (event: StoaEvent) => OrderedEffect
}

/** Others moved the cursors of the same aggregates again and again. */
export class OrderContendedError extends Fault {
  override readonly name = 'OrderContendedError'
  override readonly code = 'order_contended'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor(aggregate: string) {
    super(`Cannot apply the events of "${aggregate}" in their order now: others are at it`)
  }
}

/** How often the cursors may have moved between the look and the write. */
const contendedMax = 12

/** The most events of one aggregate in one batch. */
const runMax = 50

/** Streams of one shard. */
type Group = { readonly streams: readonly Stream[]; readonly runMax: number }

/** How far each stream is, and what is to be done. One round trip. */
async function look(
  { streams, runMax: most }: Group,
  { router, consumer }: OrderedInboxDeps,
  call: Call,
): Promise<readonly Plan[]> {
  const queries = streams.flatMap(({ key, okey }) => {
    const args = [keyText(key), consumer, okey]
    const where = 'WHERE slot = ? AND consumer = ? AND okey = ?'
    const parked = `SELECT event FROM parked ${where} ORDER BY seq LIMIT ${runMax}`
    return [
      { key, statement: { sql: `SELECT seq FROM inbox_cursor ${where}`, args } },
      { key, statement: { sql: parked, args } },
    ]
  })
  const answers = await router.readMany(queries, call)
  return streams.map((stream, index) => {
    const cursor = Number(answers[index * 2]?.rows[0]?.[0] ?? 0)
    const parked = (answers[index * 2 + 1]?.rows ?? []).map(
      // The row was written by parkEvents, from an event that was read.
      ([event]) => JSON.parse(String(event)) as StoaEvent,
    )
    return planOf(stream, { cursor, parked, runMax: most })
  })
}

/** Does what the plans say, in one batch behind the gate. */
function commit(plans: readonly Plan[], deps: OrderedInboxDeps, call: Call): Promise<Committed> {
  const { consumer, committer, clock } = deps
  const runs = plans.filter(({ run }) => run.length > 0)
  const effects = runs.flatMap(({ run }) => run.map((event) => deps.effectOf(event)))
  return committer.commit(
    {
      keys: plans.map(({ stream }) => stream.key),
      first: [ensureCursors(runs, consumer), advanceCursors(runs, consumer)],
      statements: [
        ...effects.flatMap(({ statements }) => statements),
        parkEvents(plans, consumer, clock.now()),
        dropParked(runs, consumer),
        nextParked(runs, consumer),
      ],
      events: effects.flatMap(({ events }) => events),
      conditional: effects.flatMap(({ conditional }) => conditional ?? []),
    },
    call,
  )
}

/** What is left to look at after `plans` were committed. */
function leftOf(plans: readonly Plan[], { rows }: Committed): readonly Stream[] {
  const next = new Set(rows?.at(-1)?.rows.map(([okey]) => okey))
  return (
    plans
      // What was parked here may have become the next meanwhile; what others parked may be the next now.
      .filter(
        ({ stream, park, isCut }) =>
          rows === undefined || park.length > 0 || isCut || next.has(stream.okey),
      )
      .map(({ stream, cursor, run, park }) => {
        const done = run.at(-1)?.seq ?? cursor
        const events = stream.events.filter((event) => event.seq > done && !park.includes(event))
        return { ...stream, events }
      })
  )
}

/** Parks what stands behind an event that failed, so that it need not come again. */
async function parkRest(stream: Stream, deps: OrderedInboxDeps, call: Call): Promise<void> {
  const [plan] = await look({ streams: [stream], runMax: 1 }, deps, call)
  if (plan === undefined) return
  const failed = plan.run[0]?.seq ?? plan.cursor
  const park = stream.events.filter(({ seq }) => seq > failed)
  if (park.length > 0) await commit([{ ...plan, run: [], park }], deps, call)
}

/** Goes on without whatever it was that failed. @throws `error` or what failed alone, in the end */
async function isolate(
  error: unknown,
  { group, deps }: { readonly group: Group; readonly deps: OrderedInboxDeps },
  call: Call,
): Promise<void> {
  if (isOutage(error)) throw error
  const { streams } = group
  if (error instanceof ShardFencedError) {
    const others = streams.filter(({ key }) => slotOfKey(key) !== error.slot)
    // Each alone would wait for the frozen slot again and again.
    if (others.length < streams.length) {
      await applyGroup({ ...group, streams: others }, deps, call)
      throw error
    }
  }
  const [only] = streams
  if (streams.length > 1) {
    await eachAlone(halvesOf(streams), (half) =>
      applyGroup({ ...group, streams: half }, deps, call),
    )
  } else if (group.runMax > 1) {
    await applyGroup({ ...group, runMax: 1 }, deps, call)
  } else {
    if (only !== undefined) await parkRest(only, deps, call)
    throw error
  }
}

async function applyGroup(group: Group, deps: OrderedInboxDeps, call: Call): Promise<void> {
  let { streams } = group
  for (let contended = 0; contended < contendedMax;) {
    const looked = await look({ ...group, streams }, deps, call)
    const plans = looked.filter(({ run, park }) => run.length + park.length > 0)
    if (plans.length === 0) return
    try {
      streams = leftOf(plans, await commit(plans, deps, call))
    } catch (error) {
      streams = plans.map(({ stream }) => stream)
      if (!isGate(error)) return isolate(error, { group: { ...group, streams }, deps }, call)
      contended += 1
    }
    if (streams.length === 0) return
  }
  throw new OrderContendedError(streams[0]?.okey ?? '')
}

export function createOrderedInbox(deps: OrderedInboxDeps): OrderedInbox {
  const { keyOf = (aggregate) => aggregate } = deps
  return {
    apply: async (events, call) => {
      const streams = streamsOf(events, keyOf)
      const groups = await deps.router.groups(streams, ({ key }) => key, call)
      const failures: unknown[] = []
      await inWaves(groups, async (group) => {
        await applyGroup({ streams: group, runMax }, deps, call).catch((error: unknown) =>
          failures.push(error),
        )
      })
      if (failures.length > 0) throw failures[0]
    },
  }
}

/** Another has moved the cursor since it was read. */
function isGate(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'not_null' &&
    error.constraint.includes('inbox_cursor.seq')
  )
}
