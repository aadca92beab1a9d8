import type { RedisCommand, RedisReply } from '@stoa/kernel'

import type { Steps } from './lease.ts'

/** Sends the commands of one round trip and gives their replies. @throws when any of them failed. */
export type Send = (commands: readonly RedisCommand[]) => Promise<readonly RedisReply[]>

/** Runs a protocol over `send`. Costs what its steps cost. @throws what `send` throws. */
export async function drive<T>(steps: Steps<T>, send: Send): Promise<T> {
  let step = steps.next()
  while (step.done !== true) step = steps.next(await send(step.value))
  return step.value
}

/** How many turns of the microtask queue without a newcomer end a batch: waves of one wait come a few turns apart. */
const quietTurns = 32

/**
 * Gathers what is asked in one turn of the event loop and answers it together: `run` is given all items at once. So
 * many keys share the round trips of the protocol that is written for one.
 */
export function gather<I, O>(
  run: (items: readonly I[]) => Promise<readonly O[]>,
): (item: I) => Promise<O> {
  let waiting: { readonly item: I; readonly settle: Settle<O> }[] = []
  const flush = async () => {
    let seen = 0
    for (let quiet = 0; quiet < quietTurns; quiet += 1) {
      await Promise.resolve()
      if (waiting.length > seen) quiet = 0
      seen = waiting.length
    }
    const batch = waiting
    waiting = []
    try {
      const answers = await run(batch.map(({ item }) => item))
      for (const [index, { settle }] of batch.entries()) settle.resolve(answers[index] as O)
    } catch (error) {
      for (const { settle } of batch) settle.reject(error)
    }
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, settle: { resolve, reject } })
      if (waiting.length === 1) void flush()
    })
}

type Settle<O> = {
  readonly resolve: (answer: O) => void
  readonly reject: (error: unknown) => void
}

/** As `send`, but what is sent in one turn shares a pipeline, and lone MGETs share one command. */
export function gatherSend(send: Send): Send {
  return gather<readonly RedisCommand[], readonly RedisReply[]>(async (groups) => {
    const lone = groups.filter(isLoneRead)
    const merged =
      lone.length > 1 ? [['MGET', ...lone.flatMap(([read]) => read?.slice(1) ?? [])]] : []
    const others = lone.length > 1 ? groups.filter((group) => !isLoneRead(group)) : groups
    const replies = await send([...merged, ...others.flat()])
    const values = (lone.length > 1 ? replies[0] : []) as readonly RedisReply[]
    let value = 0
    let reply = merged.length
    return groups.map((group) => {
      if (lone.length > 1 && isLoneRead(group)) {
        const count = (group[0]?.length ?? 1) - 1
        value += count
        return [values.slice(value - count, value)]
      }
      reply += group.length
      return replies.slice(reply - group.length, reply)
    })
  })
}

function isLoneRead(group: readonly RedisCommand[]): boolean {
  return group.length === 1 && group[0]?.[0] === 'MGET'
}
