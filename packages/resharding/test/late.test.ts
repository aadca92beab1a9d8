import { describe, expect, test } from 'vitest'

import {
  abortedMeanwhile,
  endedMeanwhile,
  expectWell,
  lateScenes,
  movedOnMeanwhile,
  playScene,
  thereAndBack,
} from './scenes.ts'

describe('a batch that comes late', { timeout: 120_000 }, () => {
  test('changes nothing when another coordinator has ended the move meanwhile', async () => {
    const counts = await expectWell(lateScenes(endedMeanwhile), ['done'])

    expect(counts['done']).toBeGreaterThan(30)
  })

  test('changes nothing when the move was aborted meanwhile', async () => {
    const counts = await expectWell(lateScenes(abortedMeanwhile), ['done', 'aborted'])

    expect(Object.keys(counts).toSorted()).toEqual(['aborted', 'done'])
  })

  test('changes nothing when the move was aborted and its keys moved away and back', async () => {
    const counts = await expectWell(lateScenes(movedOnMeanwhile, 4), ['done', 'aborted'])

    expect(Object.keys(counts).toSorted()).toEqual(['aborted', 'done'])
  })

  test.each([0.2, 1])(
    'changes nothing though every one does, before each later one: %d of all',
    async (again) => {
      const { move, wrongs } = await playScene({ ...thereAndBack, again })

      expect({ phase: move.phase, wrongs }).toEqual({ phase: 'done', wrongs: [] })
    },
  )
})
