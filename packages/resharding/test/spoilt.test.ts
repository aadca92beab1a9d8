import { describe, expect, test } from 'vitest'

import { expectWell, held, playScene, reversed, spoiltScenes } from './scenes.ts'

describe(
  'a move of which a batch is lost, before or after its effect, or kills its mover',
  { timeout: 180_000 },
  () => {
    test('ends with every row in one place, whichever batch it is', async () => {
      const { done } = await expectWell(spoiltScenes(held), ['done'])

      expect(done).toBeGreaterThan(100)
    })

    test('and is reversed ends where it began, whichever batch it is', async () => {
      const { sent } = await playScene({ request: { hold: true } })
      const { reversed: ended } = await expectWell(spoiltScenes(reversed, sent.length), [
        'reversed',
      ])

      expect(ended).toBeGreaterThan(30)
    })
  },
)
