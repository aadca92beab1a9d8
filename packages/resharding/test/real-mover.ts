import { isFault, rootCall, secureRandom, sleep, type SqlShard, systemClock } from '@stoa/kernel'

import { isOver, type Move, type Mover, MovePhaseError } from '../src/index.ts'
import { allSafeguards, createUnsafeMover } from '../src/unsafe.ts'
import type { FromMover, Job, ToMover } from './real-movers.ts'
import { shardsWith } from './real-shard.ts'

/** A process that carries moves on until it is killed. */

const call = rootCall('mover')

const tell = (message: FromMover): void => {
  process.send?.(message)
}

/** Tells of every batch before it is sent, by what it does. */
function telling(shard: SqlShard): SqlShard {
  return {
    name: shard.name,
    batch: (statements, mode, at) => {
      const text = statements.map(({ sql }) => sql).join(';\n')
      const isOf = (part: string) => text.includes(part)
      if (isOf("SET state = 'frozen'")) tell({ type: 'batch', step: 'freeze' })
      else if (isOf("state = 'handed_off', peer = ?, epoch"))
        tell({ type: 'batch', step: 'hand-off' })
      else if (isOf("state = 'serving', peer = NULL")) tell({ type: 'batch', step: 'open' })
      else tell({ type: 'batch', step: 'other' })
      return shard.batch(statements, mode, at)
    },
  }
}

/** Goes on through whatever may pass. */
async function insist<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!isFault(error) || !error.retryable) throw error
      await sleep(50, systemClock, call.signal)
    }
  }
}

/** Asks for something that another mover may have asked for, or made impossible, meanwhile. */
async function wish(act: () => Promise<Move>): Promise<void> {
  await insist(act).catch((error: unknown) => {
    if (!(error instanceof MovePhaseError)) throw error
  })
}

async function play(mover: Mover, { request, ending }: Job): Promise<Move> {
  const { id } = request
  await insist(() => mover.start(request, call))
  if (ending === 'abort') {
    await insist(() => mover.advance(id, call))
    await insist(() => mover.advance(id, call))
    await wish(() => mover.abort(id, call))
  }
  const move = await insist(() => mover.run(id, call))
  if (isOver(move)) return move
  await wish(() => (ending === 'reverse' ? mover.reverse(id, call) : mover.complete(id, call)))
  return insist(() => mover.run(id, call))
}

function moverFor({ meta, token, without, limits }: Job): Mover {
  const shardAt = shardsWith(token)
  const off = Object.fromEntries(without.map((name) => [name, false]))
  return createUnsafeMover(
    {
      meta: telling(shardAt(meta)),
      open: (shard) => telling(shardAt(shard)),
      clock: systemClock,
      random: secureRandom,
      sleep: (ms, at) => sleep(ms, systemClock, at.signal),
      limits,
    },
    { ...allSafeguards, ...off },
  )
}

process.on('message', (job: ToMover) => {
  const { id } = job.request
  play(moverFor(job), job).then(
    ({ phase, note }) => tell({ type: 'ended', id, phase, note }),
    (error: unknown) => tell({ type: 'failed', id, why: String(error) }),
  )
})
// Movers outlive no test.
process.on('disconnect', () => process.exit(0))
