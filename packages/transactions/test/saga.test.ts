import { rootCall, seededRandom, ShardUnavailableError, type Statement } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  createSagaRunner,
  defineSaga,
  InsufficientFundsError,
  newSaga,
  type Saga,
  type SagaRunnerDeps,
  type StepOperation,
  timelineOf,
  type Verdict,
} from '../src/index.ts'
import {
  call,
  clock,
  type Database,
  type Fate,
  firstOf,
  type Fleet,
  idIn,
  openFleet,
} from './databases.ts'

const order = defineSaga<{ readonly amount: number }>({
  kind: 'order',
  deadlineMs: 60_000,
  stages: [
    [
      {
        name: 'stock',
        try: 'stock.reserve',
        confirm: 'stock.sell',
        cancel: 'stock.free',
        request: () => ({}),
      },
      {
        name: 'coupon',
        try: 'coupon.lock',
        confirm: 'coupon.use',
        cancel: 'coupon.free',
        request: () => ({}),
      },
    ],
    [
      {
        name: 'payment',
        try: 'payment.authorise',
        confirm: 'payment.capture',
        cancel: 'payment.void',
        request: ({ amount }) => ({ amount }),
      },
    ],
  ],
})

type Script = (operation: StepOperation) => Promise<Verdict> | Verdict

let fleet: Fleet
let database: Database
/** What was asked, in order. */
let asked: string[]
let reported: unknown[]
let deferred: Promise<unknown>[]
let seed = 0

beforeEach(async () => {
  fleet = await openFleet()
  database = firstOf(fleet)
  await database.run('CREATE TABLE note (id TEXT PRIMARY KEY, text TEXT NOT NULL)')
  asked = []
  reported = []
  deferred = []
})
afterEach(() => fleet.close())

const done: Verdict = { outcome: 'done' }

function runnerWith(script: Script, commit?: NonNullable<SagaRunnerDeps['commit']>) {
  return createSagaRunner({
    keyspace: fleet.router,
    executor: {
      execute: async (operation) => {
        asked.push(operation.target)
        return script(operation)
      },
    },
    clock,
    random: seededRandom((seed += 1)),
    defer: (work) => deferred.push(work),
    report: (error) => reported.push(error),
    ...(commit === undefined ? {} : { commit }),
  })
}

async function begun(runner = runnerWith(() => done)): Promise<Saga> {
  const saga = newSaga(order, { amount: 5 }, { id: idIn(7), now: clock.now() })
  await fleet.router.write(saga.id, [runner.begin(saga)], call)
  return saga
}

async function settle(): Promise<void> {
  while (deferred.length > 0) await deferred.shift()
}

async function stateOf({ id }: Saga): Promise<unknown> {
  const [row] = await database.run('SELECT state FROM saga WHERE id = ?', id)
  return row?.[0]
}

describe('a saga', () => {
  test('tries stage by stage, decides, and confirms what may still fail first', async () => {
    const runner = runnerWith(() => done)

    const decided = await runner.run(await begun(), call)
    expect(decided.state).toBe('confirming')
    await settle()

    expect(asked).toEqual([
      'stock.reserve',
      'coupon.lock',
      'payment.authorise',
      'payment.capture',
      'stock.sell',
      'coupon.use',
    ])
    expect(await stateOf(decided)).toBe('done')
  })

  test('costs one write to begin, one to decide and one to end', async () => {
    const runner = runnerWith(() => done)
    const before = database.sent

    await runner.run(await begun(), call)
    await settle()

    expect(database.sent - before).toBe(3)
  })

  test('asks a stage at once', async () => {
    let most = 0
    let now = 0
    const runner = runnerWith(async () => {
      now += 1
      most = Math.max(most, now)
      await Promise.resolve()
      now -= 1
      return done
    })

    await runner.run(await begun(), call)

    expect(most).toBe(2)
  })

  test('cancels every step when one is refused, also those that were not tried', async () => {
    const runner = runnerWith(({ target }) =>
      target === 'coupon.lock' ? { outcome: 'refused', code: 'coupon_used' } : done,
    )

    const decided = await runner.run(await begun(), call)
    await settle()

    expect(decided).toMatchObject({ state: 'cancelling', lastError: 'coupon: coupon_used' })
    expect(asked.slice(2)).toEqual(['payment.void', 'stock.free', 'coupon.free'])
    expect(await stateOf(decided)).toBe('cancelled')
  })

  test('takes a fault that cannot pass for a refusal, and any other for not knowing', async () => {
    const refuse = runnerWith(() => {
      throw new InsufficientFundsError()
    })
    const fail = runnerWith(() => {
      throw new ShardUnavailableError('a', 'network')
    })

    expect((await refuse.run(await begun(), call)).state).toBe('cancelling')
    expect((await fail.run(await begun(), call)).state).toBe('trying')
  })

  test('goes on by sweeps while a participant does not know, asking nobody twice who is done', async () => {
    let knows = false
    const runner = runnerWith(({ target }) =>
      target === 'payment.authorise' && !knows ? { outcome: 'pending' } : done,
    )

    const parked = await runner.run(await begun(), call)
    expect(parked.state).toBe('trying')
    expect(await runner.sweep(database, call)).toMatchObject({ taken: 0 })
    clock.advance(1_000)
    knows = true

    expect(await runner.sweep(database, call)).toEqual({ taken: 1, finished: 1, stuck: [] })
    expect(asked.filter((target) => target === 'stock.reserve')).toHaveLength(1)
    expect(await stateOf(parked)).toBe('done')
  })

  test('gives up what is not tried by its deadline, without trying again', async () => {
    const runner = runnerWith(({ action }) => (action === 'try' ? { outcome: 'pending' } : done))
    const saga = await runner.run(await begun(), call)
    asked = []
    clock.advance(60_000)

    await runner.sweep(database, call)

    expect(asked.every((target) => /void|free/.test(target))).toBe(true)
    expect(await stateOf(saga)).toBe('cancelled')
  })

  test('confirms until it succeeds, with longer and longer waits, and says that it is stuck', async () => {
    let answers = false
    const runner = runnerWith(({ action }) =>
      action === 'try' || answers ? done : { outcome: 'refused', code: 'closed' },
    )
    const saga = await runner.run(await begun(), call)
    await settle()
    const waits: number[] = []
    let stuck: readonly string[] = []
    while (waits.length < 10) {
      const [row] = await database.run('SELECT next_at FROM saga WHERE id = ?', saga.id)
      waits.push(Number(row?.[0]) - clock.now())
      clock.advance(waits.at(-1) ?? 0)
      const sweep = await runner.sweep(database, call)
      stuck = sweep.stuck
    }
    answers = true
    clock.advance(300_000)
    await runner.sweep(database, call)

    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map((seconds) => seconds * 1_000))
    expect(stuck).toEqual([saga.id])
    expect(await stateOf(saga)).toBe('done')
  })

  test('keeps what it was asked to do when its definition changes', async () => {
    const runner = runnerWith(() => done)
    const saga = await begun(runner)
    clock.advance(60_000 - 1)

    expect((await runner.read(saga.id, call))?.steps[2]?.actions.confirm).toBe('payment.capture')
  })

  test('tells its history', async () => {
    const runner = runnerWith(({ target }) =>
      target === 'payment.authorise' ? { outcome: 'refused', code: 'declined' } : done,
    )
    const { id } = await runner.run(await begun(), call)
    await settle()

    const saga = await runner.read(id, call)
    expect(saga?.finishedAt).toBe(clock.now())
    const told = saga === undefined ? [] : timelineOf(saga)
    expect(told.map(({ step, action, outcome }) => `${step} ${action} ${outcome}`)).toEqual([
      'stock try done',
      'stock cancel done',
      'coupon try done',
      'coupon cancel done',
      'payment try refused',
      'payment cancel done',
    ])
    expect(told[4]).toMatchObject({ code: 'declined', attempts: 1, at: clock.now() })
  })

  test.for([
    ['no step', []],
    ['two steps of one name', [order.stages[1] ?? [], order.stages[1] ?? []]],
  ] as const)('is not defined with %s', ([, stages]) => {
    expect(() => defineSaga({ kind: 'x', deadlineMs: 1, stages })).toThrow(RangeError)
  })
})

describe('the decision of a saga', () => {
  const note: NonNullable<SagaRunnerDeps['commit']> = ({ saga, to, statements }, given) => {
    const text: Statement = {
      sql: 'INSERT INTO note (id, text) VALUES (?, ?)',
      args: [`${saga.id}-${to}`, to],
    }
    const notes = to === saga.state ? [] : [text]
    return fleet.router.write(saga.id, [...statements, ...notes], given)
  }
  const notes = async () => (await database.run('SELECT text FROM note ORDER BY text')).flat()

  test('commits together with what the business says to it', async () => {
    const runner = runnerWith(() => done, note)

    await runner.run(await begun(), call)
    expect(await notes()).toEqual(['confirming'])
    await settle()

    expect(await notes()).toEqual(['confirming', 'done'])
  })

  test.for<Fate>(['reply', 'request', 'late', 'refused', { diesAt: 1 }, { diesAt: 2 }])(
    'is one, and all is done once, when any one batch meets %o',
    async (fate) => {
      for (let at = 0; at < 4; at += 1) {
        let sent = 0
        database.fate = () => ((sent += 1) - 1 === at ? fate : 'kept')
        const runner = runnerWith(() => done, note)
        const saga = newSaga(order, { amount: 5 }, { id: idIn(7), now: clock.now() })
        await fleet.router
          .write(saga.id, [runner.begin(saga)], call)
          .then(() => runner.run(saga, call))
          .catch(() => undefined)
        await settle()
        clock.advance(70_000)
        for (const send of database.late.splice(0)) await send()
        await runner.sweep(database, call).catch(() => undefined)
        clock.advance(70_000)
        await runner.sweep(database, call)

        expect([undefined, 'done', 'cancelled']).toContain(await stateOf(saga))
      }
      const texts = await notes()
      expect(texts).toHaveLength(
        2 * texts.filter((text) => /done|cancelled/.test(String(text))).length,
      )
    },
  )

  test('is the first, when a runner was asleep while another took its saga', async () => {
    let wake = () => {}
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    const slow = runnerWith(async () => {
      await asleep
      return done
    }, note)
    const fast = runnerWith(
      ({ action }) => (action === 'try' ? { outcome: 'refused', code: 'gone' } : done),
      note,
    )
    const saga = await begun(slow)
    const sleeping = slow.run(saga, rootCall('slow')).catch((error: unknown) => error)
    clock.advance(61_000)
    await fast.sweep(database, call)
    wake()

    expect(await sleeping).toMatchObject({ code: 'saga_lease_lost' })
    expect(await stateOf(saga)).toBe('cancelled')
    expect(await notes()).toEqual(['cancelled', 'cancelling'])
  })
})

describe('the lease of a saga', () => {
  test('keeps others away until it ends', async () => {
    const saga = await begun()
    const other = runnerWith(() => done)

    expect(await other.sweep(database, call)).toMatchObject({ taken: 0 })
    clock.advance(60_000)
    expect(await other.sweep(database, call)).toMatchObject({ taken: 1 })
    expect(await stateOf(saga)).not.toBe('trying')
  })

  test('is not given back by a runner that has lost it', async () => {
    const stalled = runnerWith(() => ({ outcome: 'pending' }))
    const saga = await begun(stalled)
    clock.advance(60_000)
    await database.run(
      "UPDATE saga SET lease_epoch = 2, lease_owner = 'other', lease_until = ? WHERE id = ?",
      clock.now() + 60_000,
      saga.id,
    )
    const stale = { ...saga, deadline: clock.now() + 60_000 }

    await expect(stalled.run(stale, call)).rejects.toMatchObject({ code: 'saga_lease_lost' })
    expect(await database.run('SELECT lease_owner, version FROM saga')).toEqual([['other', 1]])
  })

  test('ends for one saga when its participant has a bug, and the others go on', async () => {
    const broken = await begun()
    const sound = await begun()
    clock.advance(60_000)
    const runner = runnerWith(({ gid }) => {
      if (gid === broken.id) throw new TypeError('a bug')
      return done
    })

    expect(await runner.sweep(database, call)).toMatchObject({ taken: 2, finished: 1 })
    expect(reported).toEqual([new TypeError('a bug')])
    expect(await stateOf(sound)).toBe('cancelled')
  })

  test('is taken only where the shard may write', async () => {
    await begun()
    clock.advance(60_000)
    await database.run("UPDATE _slot_owner SET state = 'frozen' WHERE lo = '007'")

    expect(await runnerWith(() => done).sweep(database, call)).toMatchObject({ taken: 0 })
  })
})
