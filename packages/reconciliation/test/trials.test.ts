import { expect, test } from 'vitest'

import * as reconciliation from '../src/index.ts'
import { call, firstOf } from './databases.ts'
import { onBench, trials, wrongAmount, wrongCount } from './trials.ts'

test.for(Object.entries(trials))('reconciliation %s', async ([, trial]) => {
  await expect(trial(reconciliation)).resolves.toBeUndefined()
})

test('reconciliation repairs under one key what died between the effect and the journal', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongCount]
    await bench.run()
    bench.clock.advance(60_000)
    const keys: string[] = []
    const database = firstOf(bench.fleet)

    await bench
      .sweep(async (key) => {
        keys.push(key)
        database.fate = () => 'request'
      })
      .catch(() => undefined)
    database.fate = () => 'kept'
    bench.clock.advance(60_000)
    await bench.sweep(async (key) => void keys.push(key))

    expect(new Set(keys).size).toBe(1)
    expect(keys).toHaveLength(2)
    expect((await bench.sole()).state).toBe('repaired')
  })
})

test('reconciliation brings to a person what is still there after its repair', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongCount]
    await bench.run()
    bench.clock.advance(60_000)
    await bench.sweep(async () => undefined)
    bench.clock.advance(61_000)

    const swept = await bench.sweep(async () => undefined)

    expect(swept.review).toBe(1)
    expect((await bench.sole()).note).toBe('still there after its repair')
  })
})

test('reconciliation gives what is worth more than the budget of an hour to a person', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [{ ...wrongCount, amount: 100_001 }]
    await bench.run()
    bench.clock.advance(60_000)

    const swept = await bench.sweep(async () => expect.unreachable())

    expect(swept.review).toBe(1)
  })
})

test('reconciliation repairs nothing that passed before the second look', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongCount]
    await bench.run()
    bench.findings = []
    bench.clock.advance(60_000)

    const swept = await bench.sweep(async () => expect.unreachable())

    expect(swept.resolved).toBe(1)
  })
})

test('reconciliation opens nothing again by what was seen before it was closed', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongCount]
    await bench.run()
    const late = { ...bench.comparison, judge: () => [wrongCount] }
    const reconciler = reconciliation.createReconciler({
      keyspace: bench.fleet.router,
      clock: bench.clock,
    })
    const slow = {
      ...late,
      sides: late.sides.map((side) => ({
        ...side,
        read: async function* () {
          bench.clock.advance(60_000)
          bench.findings = []
          await bench.sweep(async () => expect.unreachable())
          yield [{ key: 'k', at: 0, fields: {} }]
        },
      })),
    }

    await reconciler.run({ id: `00000${'2'.repeat(15)}`, comparison: slow }, call)

    expect(await bench.sole()).toMatchObject({ state: 'resolved', occurrence: 1 })
  })
})

test('reconciliation writes nothing in a dry run', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongCount]
    const { router } = bench.fleet
    const reconciler = reconciliation.createReconciler({ keyspace: router, clock: bench.clock })
    const found: unknown[] = []

    const totals = await reconciler.dryRun(
      { comparison: bench.comparison },
      (finding) => found.push(finding),
      call,
    )

    expect(totals).toEqual({ compared: 1, young: 0, found: { counter_drift: 1 } })
    expect(found).toEqual([wrongCount])
    expect(firstOf(bench.fleet).sent).toBe(0)
  })
})

test('reconciliation keeps every step in a journal that nobody can change', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongAmount]
    await bench.run()
    const { id } = await bench.sole()
    const desk = bench.desk()
    await desk.assign({ id, version: 1, actor: 'ann', note: 'mine', assignee: 'ann' }, call)
    await desk.propose({ id, version: 2, actor: 'ann', note: '', action: 'suspend' }, call)
    await desk.decide({ id, version: 3, actor: 'bob', note: 'no', approved: false }, call)

    const journal = await desk.journal(id, call)

    expect(journal.map(({ state, note }) => [state, note])).toEqual([
      ['review', undefined],
      ['review', 'mine'],
      ['proposed', ''],
      ['review', 'no'],
    ])
    const database = firstOf(bench.fleet)
    await expect(database.run("UPDATE discrepancy_journal SET note = ''")).rejects.toThrow(
      /append_only/,
    )
    await expect(database.run('DELETE FROM discrepancy_journal')).rejects.toThrow(/append_only/)
    await expect(database.run("UPDATE discrepancy SET state = 'resolved'")).rejects.toThrow(
      /unjournalled/,
    )
    const alone =
      "UPDATE discrepancy SET state = 'approved', maker = 'a', checker = 'a', version = version + 1"
    await expect(database.run(alone)).rejects.toThrow(/two_persons/)
  })
})

test('reconciliation lists what is open and how long it has been', async () => {
  await onBench(reconciliation, async (bench) => {
    bench.findings = [wrongAmount, { ...wrongAmount, key: 'l' }, wrongCount]
    await bench.run()
    bench.clock.advance(7_200_000)
    const database = firstOf(bench.fleet)
    const desk = bench.desk()

    const [first, ...rest] = await desk.list(database, { limit: 10 }, call)
    const ageing = await desk.ageing(database, call)

    expect(rest).toHaveLength(2)
    expect(await desk.list(database, { limit: 10, ...(first && { after: first }) }, call)).toEqual(
      rest,
    )
    expect(await desk.list(database, { limit: 10, class: 'counter_drift' }, call)).toHaveLength(1)
    expect(ageing).toContainEqual({
      class: 'amount_mismatch',
      state: 'review',
      age: 'day',
      count: 2,
      amount: 200,
    })
  })
})
