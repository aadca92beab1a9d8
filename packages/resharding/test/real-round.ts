import { type Random, seededRandom } from '@stoa/kernel'

import type { MoveLimits, MoveScope } from '../src/index.ts'
import type { Safeguards } from '../src/safeguards.ts'
import { wrongsOfReal } from './real-check.ts'
import { createLedger, keepWriting, type Ledger } from './real-ledger.ts'
import { type Ended, type Job, type Movers, openMovers, type Step } from './real-movers.ts'
import { openRealWorld, type RealWorld, shardNames, token } from './real-world.ts'

export type Round = {
  readonly seed: number
  /** Processes killed with SIGKILL before the last move ends: movers, and servers of databases. */
  readonly kills: number
  /** Moves at least. */
  readonly moves: number
  /** Fault rules that are in force from the beginning, until a server dies. */
  readonly always?: readonly object[]
  /** Fault rules of which one is put in force now and then. */
  readonly rules: readonly object[]
  readonly without?: readonly (keyof Safeguards)[]
}

export type RoundReport = {
  readonly wrongs: readonly string[]
  readonly counts: Ledger['counts']
  /** How the moves ended, and what was killed before which step, with how often. */
  readonly ends: Readonly<Record<string, number>>
  readonly killed: Readonly<Record<string, number>>
}

const writers = 4
/** Between two writes of a writer: the machine is to have time for the mover too. */
const pauseMs = 10
/** Small enough that some hundred rows take several batches of each kind. */
const limits: Partial<MoveLimits> = {
  rows: 40,
  chunkRows: 80,
  window: 200,
  parallel: 2,
  retryMs: 50,
}
/** Longer than any delay of the rules: what is on its way when a mover is killed has arrived then. */
const settleMs = 600
/** A step that does not come is not waited for any longer. */
const aimMs = 15_000

const scopes: readonly MoveScope[] = [
  { kind: 'slots', slots: [0, 1, 2] },
  { kind: 'slots', slots: [3, 4] },
  { kind: 'range', lo: '00501', hi: '00502' },
]

const wait = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms)
  })

function among<T>(items: readonly [T, ...T[]], random: Random): T {
  return items[random.uint32() % items.length] ?? items[0]
}

const bump = (counts: Record<string, number>, what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1
}

const expectedEnds: Readonly<Record<Job['ending'], readonly Ended['phase'][]>> = {
  through: ['done'],
  complete: ['done'],
  abort: ['aborted', 'done'],
  reverse: ['reversed'],
}

/** Moves things to and fro until it is stopped, at least so often as the round says. */
async function keepMoving(
  { seed, moves, without = [] }: Round,
  { world, movers }: { readonly world: RealWorld; readonly movers: Movers },
  { stopped, ends }: { readonly stopped: AbortSignal; readonly ends: Record<string, number> },
): Promise<readonly string[]> {
  const random = seededRandom(seed * 3)
  const homes = scopes.map((): string => 'a')
  const wrongs: string[] = []
  for (let count = 0; count < moves || !stopped.aborted; count += 1) {
    const which = count % scopes.length
    const [scope, source] = [scopes[which], homes[which] ?? 'a']
    const target = shardNames.filter((name) => name !== source)[random.uint32() % 2] ?? 'b'
    if (scope === undefined) break
    const endings = ['through', 'through', 'complete', 'reverse', 'abort'] as const
    const ending = without.length > 0 ? 'through' : among(endings, random)
    const hold = ending === 'complete' || ending === 'reverse'
    const id = `m${count}`
    const request = { id, keyspace: 'things', scope, source, target, shapes: world.shapes, hold }
    const { phase, note } = await movers.play({
      request,
      ending,
      meta: world.meta,
      token,
      without,
      limits,
    })
    bump(ends, phase)
    if (phase === 'done') homes[which] = target
    if (!expectedEnds[ending].includes(phase))
      wrongs.push(`${id} (${ending}) ended as ${phase}: ${note}`)
  }
  return wrongs
}

/** Waits for so many batches, or for a step of a hand-over. */
function comes(movers: Movers, step: Step, count: number): Promise<Step | 'nothing'> {
  return new Promise((resolve) => {
    let left = count
    const timer = setTimeout(resolve, aimMs, 'nothing')
    movers.watch((now) => {
      left -= 1
      if (step === 'other' ? left > 0 : now !== step) return
      clearTimeout(timer)
      movers.watch(() => undefined)
      resolve(now)
    })
  })
}

/** Kills movers and servers at seeded moments, and spoils requests in between. */
async function keepKilling(
  { seed, kills, rules }: Round,
  { world, movers }: { readonly world: RealWorld; readonly movers: Movers },
  stopped: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const random = seededRandom(seed * 5)
  const killed: Record<string, number> = {}
  for (let kill = 0; kill < kills && !stopped.aborted; kill += 1) {
    const server = among(world.servers, random)
    await server.answers()
    const rule = rules[random.uint32() % (rules.length * 2)]
    if (rule !== undefined) await among(world.servers, random).spoil(rule)
    if (random.uint32() % 4 === 0) movers.join()
    const aim = among<Step>(['other', 'other', 'freeze', 'hand-off', 'open'], random)
    const step = await comes(movers, aim, 1 + (random.uint32() % 50))
    await wait(random.uint32() % 4)
    const isMover = kill % 2 === 0
    if (isMover) movers.kill()
    else server.kill()
    bump(killed, `${isMover ? 'mover' : 'database'} at ${step}`)
    if (random.uint32() % 3 === 0) await Promise.all(world.servers.map(({ spoil }) => spoil()))
  }
  return killed
}

/** A round: clients write while things move to and fro and processes die. Answers what was wrong in the end. */
export async function playRound(round: Round): Promise<RoundReport> {
  const world = await openRealWorld()
  const movers = openMovers()
  const ledger = createLedger()
  const quiet = new AbortController()
  const calm = new AbortController()
  const ends: Record<string, number> = {}
  const slots = [0, 1, 2, 3, 4, 5, ...world.resting]
  try {
    const writing = Promise.all(
      Array.from({ length: writers }, (_, index) =>
        keepWriting(
          { world, ledger, slots },
          { pauseMs, seed: round.seed * 100 + index },
          quiet.signal,
        ),
      ),
    )
    await Promise.race([wait(settleMs), writing])
    for (const rule of round.always ?? []) for (const { spoil } of world.servers) await spoil(rule)
    const both = { world, movers }
    const killing = keepKilling(round, both, quiet.signal).finally(() => calm.abort())
    const moving = keepMoving(round, both, { stopped: calm.signal, ends })
    const work = Promise.all([killing, moving])
    // A writer that fails, fails the round.
    const [killed, wrongs] = await Promise.race([work, writing.then(() => work)])
    await Promise.all(world.servers.map(({ spoil }) => spoil()))
    quiet.abort()
    await writing
    await wait(settleMs)
    const found = await wrongsOfReal(world, ledger, slots)
    return { wrongs: [...wrongs, ...found], counts: ledger.counts, ends, killed }
  } finally {
    quiet.abort()
    movers.close()
    await world.close()
  }
}
