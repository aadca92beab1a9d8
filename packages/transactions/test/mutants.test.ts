import { isFault, seededRandom } from '@stoa/kernel'
import { afterAll, describe, expect, test } from 'vitest'

import { createSagaRunner, type Executor, ledgerDdl, newSaga, type Verdict } from '../src/index.ts'
import { attackAll } from './attacks.ts'
import { call, clock, firstOf, idIn, openFleet, type Rewrite } from './databases.ts'
import { purseDdl, runSchedule, schedulesOf } from './interleavings.ts'
import { runWorld, transfer } from './world.ts'

/** What is run against a mutant; it throws when it notices. */
type Suite = (rewrite: Rewrite) => Promise<void>

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

/** Runs `suite` with `from` replaced in every statement; it must notice, and the mutant must have lived. Gives what it said. */
async function caughtBy(name: string, suite: Suite, [from, to]: [string | RegExp, string]) {
  let lived = 0
  const error = await suite((sql) => {
    const mutated = sql.replaceAll(from, to)
    if (mutated !== sql) lived += 1
    return mutated
  }).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Error ? thrown : new Error('It threw no error')),
  )
  if (lived === 0) throw new Error(`The mutant that ${name} never lived`)
  if (error === undefined) return undefined
  caught.push(`  ${name}: ${error.message.slice(0, 150).replaceAll(/\s+/g, ' ')}`)
  return error
}

async function interleave(rewrite: Rewrite, token?: () => string): Promise<void> {
  const fleet = await openFleet(['a'], rewrite)
  try {
    for (const sql of purseDdl) await firstOf(fleet).run(sql)
    const groups = [
      ['try', 'try', 'cancel', 'cancel'],
      ['try', 'try', 'confirm', 'confirm'],
      ['try', 'confirm', 'cancel'],
    ] as const
    for (const schedule of groups.flatMap((ops) => schedulesOf(ops)))
      await runSchedule(firstOf(fleet), schedule, token)
  } finally {
    fleet.close()
  }
}

const place = (op: string) =>
  `EXISTS (SELECT 1 FROM barrier WHERE slot = ?1 AND gid = ?2 AND branch = ?3 AND op = '${op}')`
const ours =
  '(SELECT count(*) FROM barrier WHERE slot = ? AND gid = ? AND branch = ? AND token = ?)'

describe('the suite of the barrier notices a mutant that', () => {
  test.for<[string, string, string]>([
    ['lets every attempt through the gate', `${ours} = 1`, `${ours} >= 0`],
    ['lets through who comes again', 'AND token = ?) = 1', "AND op = 'try' AND ? <> '') = 1"],
    [
      'takes no place for a try that never came',
      "VALUES (?1, ?2, ?3, 'try'",
      "VALUES (?1, ?2, ?3, 'no try'",
    ],
    ['cancels what was not tried', `${ours} = 1`, `${ours} > 0`],
    ['confirms after a cancel', `NOT ${place('cancel')}`, 'TRUE'],
    ['confirms what was never tried', place('try'), 'TRUE'],
    ['cancels after a confirm', `NOT ${place('confirm')}`, 'TRUE'],
    ['takes a try that came too late for one that is done', ' OR reason <> op', ''],
    ['counts a try twice', ' OR reason <> op', " OR excluded.token = ''"],
    [
      'applies a batch that comes again as it was',
      'CASE WHEN token <> excluded.token THEN token END',
      'token',
    ],
    [
      'gives the place to whoever comes last',
      'CASE WHEN token <> excluded.token THEN token END',
      'excluded.token',
    ],
    [
      'takes the amount from the request',
      '(SELECT amount FROM part WHERE part.id = purse.id AND gid = ?)',
      '(length(?) * 0 + 9)',
    ],
    ['has no barrier', `${ours} = 1`, "(? || ? || ? || ?) <> ''"],
  ])('%s', async ([name, from, to]) => {
    expect(await caughtBy(name, interleave, [from, to])).toBeInstanceOf(Error)
  })

  test('uses one token for all attempts', async () => {
    expect(
      await caughtBy(
        'uses one token for all attempts',
        (rewrite) => interleave(rewrite, () => 't'),
        [/$/g, ' '],
      ),
    ).toBeInstanceOf(Error)
  })

  test('uses one token for all attempts, and lets it', async () => {
    expect(
      await caughtBy(
        'uses one token for all attempts, and lets it',
        (rewrite) => interleave(rewrite, () => 't'),
        ['CASE WHEN token <> excluded.token THEN token END', 'token'],
      ),
    ).toBeInstanceOf(Error)
  })
})

const attacked: Suite = async (rewrite) => {
  const fleet = await openFleet(['a'], rewrite)
  try {
    await attackAll(fleet)
  } finally {
    fleet.close()
  }
}

const triggers = [...ledgerDdl.matchAll(/CREATE TRIGGER (\w+)/g)].map(([, name = '']) => name)

describe('the suite of the ledger notices a schema without', () => {
  test.for(triggers)('trigger %s', async (trigger) => {
    const whole = new RegExp(`CREATE TRIGGER ${trigger} [\\s\\S]*`, 'g')
    expect(await caughtBy(`no trigger ${trigger}`, attacked, [whole, 'SELECT 1'])).toBeInstanceOf(
      Error,
    )
  })

  test.for<[string, RegExp | string]>([
    ['rule insufficient_funds', 'limited = 0 OR credit >= debit'],
    ['rule balance_overflow', "typeof(debit) = 'integer' AND typeof(credit) = 'integer'"],
    ['rule hold_exceeded', 'captured + released <= amount'],
    ['rule invalid_amount', "typeof(amount) = 'integer' AND amount <> 0"],
    ['one entry for a cause', 'UNIQUE (account, source)'],
  ])('%s', async ([name, from]) => {
    expect(
      await caughtBy(`no ${name}`, attacked, [from, name.startsWith('one') ? 'CHECK (1)' : '1']),
    ).toBeInstanceOf(Error)
  })
})

/** Small lives until one notices, so that an unlucky seed hides nothing. */
function live(executor?: (inner: Executor) => Executor, lives = 24): Suite {
  return async (rewrite) => {
    for (let seed = 1; seed <= lives; seed += 1) {
      const wrapped = executor === undefined ? {} : { executor }
      await runWorld({ seed, transfers: 90, rewrite, ...wrapped })
    }
  }
}

const done: Verdict = { outcome: 'done' }

/** Asks nobody to cancel a step whose try did not come back, as far as this runner knows. */
function cancelsWhatItKnows(inner: Executor): Executor {
  const known = new Set<string>()
  return {
    execute: async (operation, given) => {
      const step = `${operation.gid} ${operation.branch}`
      if (operation.action === 'cancel' && !known.has(step)) return done
      const verdict = await inner.execute(operation, given)
      if (verdict.outcome === 'done') known.add(step)
      return verdict
    },
  }
}

function hopes(inner: Executor): Executor {
  return {
    execute: (operation, given) =>
      inner.execute(operation, given).catch((error: unknown) => {
        if (!isFault(error) || !error.retryable) throw error
        return done
      }),
  }
}

const believesRefused = (inner: Executor): Executor => ({
  execute: async (operation, given) => {
    const verdict = await inner.execute(operation, given).catch((error: unknown) => {
      if (isFault(error) && error.code === 'insufficient_funds') return done
      throw error
    })
    return verdict
  },
})

const open = 'amount - captured - released'

describe('the transfers notice a mutant that', { timeout: 60_000 }, () => {
  test.for<[string, string | RegExp, string]>([
    [
      'takes no place for a try that never came',
      "VALUES (?1, ?2, ?3, 'try'",
      "VALUES (?1, ?2, ?3, 'no try'",
    ],
    ['cancels what was not tried', `${ours} = 1`, `${ours} > 0`],
    [
      'takes the amount from the request',
      `json_array(json_array(?, currency, -(${open})), json_array(?, currency, ${open}))`,
      'json_array(json_array(?, currency, -13), json_array(?, currency, 13))',
    ],
    ['closes no hold', `SET captured = captured + ${open}`, 'SET captured = captured'],
    [
      'decides without asking its row',
      'CASE WHEN state = ? AND version = ? AND lease_epoch = ? THEN ? END',
      "CASE WHEN ? || ? || ? <> '' THEN ? END",
    ],
    ['leaves a dead runner its sagas', 'lease_until <= ?', '? < 0'],
  ])('%s', async ([name, from, to]) => {
    expect(await caughtBy(name, live(), [from, to])).toBeInstanceOf(Error)
  })

  test.for<[string, (inner: Executor) => Executor]>([
    ['cancels only what it knows to be tried', cancelsWhatItKnows],
    ['takes a lost reply for a yes', hopes],
    ['takes a refusal for a yes', believesRefused],
  ])('%s', async ([name, executor]) => {
    expect(await caughtBy(name, live(executor), [/$/g, ' '])).toBeInstanceOf(Error)
  })
})

/** A runner that lost its lease, one that must wait for it, and one whose reply was lost. */
const leases: Suite = async (rewrite) => {
  const fleet = await openFleet(['a'], rewrite)
  const database = firstOf(fleet)
  const runner = createSagaRunner({
    keyspace: fleet.router,
    executor: { execute: async ({ action }) => (action === 'try' ? { outcome: 'pending' } : done) },
    clock,
    random: seededRandom(1),
    defer: () => undefined,
    report: () => undefined,
    commit: async ({ saga, statements }, given) => {
      const tally = { sql: 'UPDATE tally SET count = count + 1', args: [] }
      await fleet.router.write(saga.id, [...statements, tally], given)
    },
  })
  const begin = async (deadlineMs: number) => {
    const input = { from: idIn(1), to: idIn(1), amount: 1 }
    const saga = newSaga({ ...transfer, deadlineMs }, input, { id: idIn(1), now: clock.now() })
    await fleet.router.write(saga.id, [runner.begin(saga)], call)
    return saga
  }
  try {
    await database.run('CREATE TABLE tally AS SELECT 0 AS count')
    const taken = await begin(60_000)
    const { taken: early } = await runner.sweep(database, call)
    if (early !== 0) throw new Error('a saga was taken from its runner')
    await database.run('UPDATE saga SET lease_epoch = 2')
    await runner.run(taken, call).catch(() => undefined)
    const [row] = await database.run('SELECT version FROM saga')
    if (row?.[0] !== 1) throw new Error('a runner wrote without its lease')
    const fates = ['reply'] as const
    const late = await begin(1)
    clock.advance(10)
    const left = [...fates]
    database.fate = () => left.shift() ?? 'kept'
    await runner.run(late, call).catch(() => undefined)
    const [tally] = await database.run('SELECT count FROM tally')
    if (tally?.[0] !== 1) throw new Error(`the decision was committed ${String(tally?.[0])} times`)
  } finally {
    fleet.close()
  }
}

describe('the suite of leases', { timeout: 60_000 }, () => {
  test('finds nothing wrong with what is no mutant', async () => {
    const suites = [leases, attacked, interleave, live(undefined, 4)]

    for (const suite of suites) await expect(suite((sql) => sql)).resolves.toBeUndefined()
  })

  test.for<[string, string, string]>([
    ['drops the epoch of the lease', 'AND lease_epoch = ? THEN', 'AND ? > 0 THEN'],
    ['takes what is leased', 'AND lease_until <= ?', 'AND ? > 0'],
    [
      'decides again when its reply is lost',
      'CASE WHEN state = ? AND version = ?',
      "CASE WHEN ? || ? <> ''",
    ],
  ])('notices a mutant that %s', async ([name, from, to]) => {
    expect(await caughtBy(name, leases, [from, to])).toBeInstanceOf(Error)
  })
})
