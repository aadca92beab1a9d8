import { AmbiguousWriteError, type Call, type Clock, SqlConstraintError } from '@stoa/kernel'

import { effectsOf, type Part } from './effects.ts'
import type { Kinds } from './kind.ts'
import { appliedKeptMs } from './retention.ts'
import { type Applied, applyBatch, bucketOfId, selectApplied } from './statements.ts'
import { type CountRouter, firstSlot } from './store.ts'

/** Tries of one group: each but the last finds more of it applied by others. */
const triesMax = 6

export type ApplyDeps = {
  readonly router: CountRouter
  readonly kinds: Kinds
  readonly clock: Clock
}

/** What became of the parts. Every one of them is in the database now. */
export type Outcome = {
  readonly applied: Applied
  /** Parts that had been applied before. */
  readonly known: readonly Part[]
  /** A moment before the batch: what it left may be older than now by any stall, and is never newer. */
  readonly at: number
  /** The sequence number at which the object's sum was read. */
  readonly seqOf: (id: string) => number | undefined
}

const nothing: Applied = { seqs: new Map(), sums: new Map(), thawed: new Map() }

export function isKnownFlush(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'unique' &&
    error.constraint.includes('count_applied.')
  )
}

async function withoutKnown(
  router: CountRouter,
  parts: readonly Part[],
  call: Call,
): Promise<readonly Part[]> {
  const buckets = [...Map.groupBy(parts, ({ bucket }) => bucket)]
  const queries = buckets.map(([bucket, some]) => ({
    key: firstSlot(bucket),
    statement: selectApplied(
      bucket,
      some.map(({ flush }) => flush),
    ),
  }))
  const answers = await router.readMany(queries, call)
  return buckets.flatMap(([, some], index) => {
    const known = new Set((answers[index]?.rows ?? []).map(([flush]) => flush))
    return some.filter(({ flush }) => !known.has(flush))
  })
}

/**
 * Applies parts of one shard exactly once each, in one batch; what others have applied meanwhile is left out and the
 * rest tried again. One round trip; two more each time that some are known.
 *
 * @throws as {@link Router.writeAll}.
 */
export async function applyParts(
  deps: ApplyDeps,
  parts: readonly Part[],
  call: Call,
): Promise<Outcome> {
  let rest = parts
  for (let tries = 1; rest.length > 0; tries += 1) {
    const batch = applyBatch(effectsOf(rest), {
      kinds: deps.kinds.all,
      pruneBefore: deps.clock.now() - appliedKeptMs,
    })
    const at = deps.clock.now()
    const slots = [...new Set(rest.map(({ bucket }) => firstSlot(bucket)))]
    try {
      const applied = batch.read(await deps.router.writeAll(slots, batch.statements, call))
      const done = new Set(rest)
      return {
        applied,
        at,
        known: parts.filter((part) => !done.has(part)),
        seqOf: (id) => applied.seqs.get(bucketOfId(id)),
      }
    } catch (error) {
      const isLost = error instanceof AmbiguousWriteError
      if ((!isLost && !isKnownFlush(error)) || tries >= triesMax) throw error
      rest = await withoutKnown(deps.router, rest, call)
    }
  }
  return { applied: nothing, at: deps.clock.now(), known: parts, seqOf: () => undefined }
}
