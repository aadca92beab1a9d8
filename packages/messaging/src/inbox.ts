import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  DeadlineExceededError,
  keyText,
  type RouteKey,
  type Rows,
  ShardBusyError,
  ShardFencedError,
  ShardUnavailableError,
  slotOfKey,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import { inWaves, type Router } from '@stoa/sharding'

import type { Committer, Work } from './committer.ts'
import type { StoaEvent } from './event.ts'

/** What one event does to one key. An event that touches several keys is several effects, each with its own row. */
export type Effect = {
  readonly event: StoaEvent
  /** The key of the rows it changes: the inbox row lies and moves with them. */
  readonly key: RouteKey
  /** Tells effects of one event under one key apart, such as by product; empty when there is one. */
  readonly scope?: string
  readonly statements: readonly Statement[]
  readonly events: readonly StoaEvent[]
  /** @see Work.conditional */
  readonly conditional?: readonly StoaEvent[]
}

export type Inbox = {
  /**
   * Applies each effect exactly once, however often it comes: the inbox row commits with it. Effects in one shard
   * share a batch; one that fails does not stop the others.
   *
   * Costs one round trip for each shard touched, and two more when some came before.
   *
   * @throws the first failure, after all others were applied; the whole delivery may then come again.
   */
  apply(effects: readonly Effect[], call: Call): Promise<void>
}

type Key = { readonly slot: string; readonly consumer: string; readonly event: string }

export function createInbox(deps: {
  readonly consumer: string
  readonly router: Router
  readonly committer: Committer
  readonly clock: Clock
}): Inbox {
  const { router, committer, clock } = deps
  const keyOf = ({ event, key, scope = '' }: Effect): Key => ({
    slot: keyText(key),
    consumer: scope === '' ? deps.consumer : `${deps.consumer}:${scope}`,
    event: event.id,
  })
  const workOf = (effects: readonly Effect[]): Work => ({
    keys: effects.map((effect) => effect.key),
    first: [insertKeys(effects.map(keyOf), clock.now())],
    statements: effects.flatMap((effect) => effect.statements),
    events: effects.flatMap((effect) => effect.events),
    conditional: effects.flatMap((effect) => effect.conditional ?? []),
  })
  const without = async (effects: readonly Effect[], call: Call): Promise<readonly Effect[]> => {
    const queries = effects.map((effect) => {
      const known = keyOf(effect)
      return {
        key: effect.key,
        statement: {
          sql: 'SELECT 1 AS known FROM inbox WHERE slot = ? AND consumer = ? AND event_id = ?',
          args: [known.slot, known.consumer, known.event],
        },
      }
    })
    const answers: readonly Rows[] = await router.readMany(queries, call)
    return effects.filter((_effect, index) => answers[index]?.rows.length === 0)
  }
  const applyGroup = async (effects: readonly Effect[], call: Call): Promise<void> => {
    if (effects.length === 0) return
    try {
      await committer.commit(workOf(effects), call)
    } catch (error) {
      if (isKnown(error)) {
        const fresh = await without(effects, call)
        if (fresh.length < effects.length) return applyGroup(fresh, call)
      }
      if (effects.length === 1 || isOutage(error)) throw error
      if (error instanceof ShardFencedError) {
        const others = effects.filter(({ key }) => slotOfKey(key) !== error.slot)
        // Each alone would wait for the frozen slot again and again.
        if (others.length < effects.length) {
          await applyGroup(others, call)
          throw error
        }
      }
      await eachAlone(halvesOf(effects), (half) => applyGroup(half, call))
    }
    return undefined
  }
  return {
    apply: async (effects, call) => {
      const distinct = [
        ...new Map(effects.map((effect) => [JSON.stringify(keyOf(effect)), effect])).values(),
      ]
      const groups = await router.groups(distinct, (effect) => effect.key, call)
      const failures: unknown[] = []
      await inWaves(groups, async (group) => {
        await applyGroup(group, call).catch((error: unknown) => failures.push(error))
      })
      if (failures.length > 0) throw failures[0]
    },
  }
}

/** The shard could not be asked: that is no fault of an effect, and none of them would fare better alone. */
export function isOutage(error: unknown): boolean {
  return (
    error instanceof ShardUnavailableError ||
    error instanceof ShardBusyError ||
    error instanceof AmbiguousWriteError ||
    error instanceof DeadlineExceededError
  )
}

/** Both halves of a list of at least two: what fails in it is found in a number of steps that grows as its logarithm. */
export function halvesOf<T>(items: readonly T[]): readonly (readonly T[])[] {
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}

/** Runs `work` on every item; throws the first failure when all have been tried. */
export async function eachAlone<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  for (const item of items) {
    await work(item).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}

/** A plain insert, without OR IGNORE: a known event must stop the batch, not pass it. */
function insertKeys(keys: readonly Key[], now: number): Statement {
  return {
    sql: `INSERT INTO inbox (slot, consumer, event_id, at)
SELECT value ->> 'slot', value ->> 'consumer', value ->> 'event', ? FROM json_each(?)`,
    args: [now, JSON.stringify(keys)],
  }
}

function isKnown(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'unique' &&
    error.constraint.includes('inbox.')
  )
}
