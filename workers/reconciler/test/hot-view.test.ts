import { createIds, manualClock, secureRandom } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { hotSettleMs, judgeShown } from '../src/domain/hot-view.ts'
import { countKeyOf, idOfCount } from '../src/store/count-rows.ts'

describe('what is shown of a count', () => {
  const now = Date.UTC(2026, 5, 1)
  const look = { now, watermarks: [now], horizon: now - hotSettleMs }
  const found = (row: readonly [values: string, seq: number], view: string | null) => {
    const [values, seq] = row
    const fields = { row: values, seq, view }
    return judgeShown({ key: 'K', entries: [[{ key: 'K', at: 0, fields }]] }, look).map(
      ({ action }) => action,
    )
  }
  const text = (values: string, seq: number, at: number) =>
    `${values}:${seq.toString(36)}:${Math.floor((at - 1_577_836_800_000) / 1_000).toString(36)}`

  test('is no break while it is what the row has been, and not for too long', () => {
    const steps = fc.array(fc.record({ by: fc.nat(9), after: fc.nat(400_000) }), { minLength: 2 })
    fc.assert(
      fc.property(steps, fc.nat(), (list, chosen) => {
        let [value, at] = [0, now - list.reduce((sum, { after }) => sum + after, 0)]
        const states = list.map(({ by, after }, index) => {
          value += by
          at += after
          return { value, at, seq: index + 1 }
        })
        const last = states.at(-1)
        const shown = states[chosen % states.length]
        if (last === undefined || shown === undefined) return
        // Read when it became so: later would only be younger.
        const view = text(`${shown.value},0`, shown.seq, shown.at)

        const isOld = Math.floor(shown.at / 1_000) * 1_000 <= look.horizon
        const isBreak = isOld && shown.value !== last.value
        expect(found([`${last.value},0`, last.seq], view)).toEqual(
          isBreak ? ['refill_hot_view'] : [],
        )
      }),
    )
  })

  test.each<readonly [what: string, view: string | null, ...actions: string[]]>([
    ['nothing is shown', null],
    ['no reader takes it', 'five'],
    ['a metric came since', text('5', 9, now)],
    ['it is the same', text('5,1', 9, now)],
    ['the clock of who read it is a little ahead', text('5,1', 9, now + 30_000)],
    ['it is of a time to come', text('5,1', 9, now + 120_000), 'refill_hot_view'],
    ['it is more', text('5,2', 8, now), 'refill_hot_view'],
    ['it is another of the same moment', text('5,0', 9, now), 'refill_hot_view'],
    ['it was behind for a while', text('5,0', 8, now - hotSettleMs + 2_000)],
    ['it has been behind for long', text('5,0', 8, now - hotSettleMs), 'refill_hot_view'],
    ['it is ahead', text('5,1', 10, now), 'investigate'],
  ])('is judged rightly when %s', (_what, view, ...actions) => {
    expect(found(['5,1', 9], view)).toEqual(actions)
  })

  test('is looked for under the row that an id has, and the other way round', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.string(), (later, name) => {
        const clock = manualClock(now + later)
        const id = createIds({ clock, random: secureRandom }).root(name)

        expect(idOfCount(countKeyOf(id))).toBe(id)
      }),
    )
  })
})
