import { createIds, isFault, manualClock, seededRandom, timeKey } from '@stoa/kernel'
import { assert, integer, nat, property, string } from 'fast-check'
import { expect, test } from 'vitest'

import { cursorAfter, readCursor } from '../src/routes/cursor.ts'

/** Why a text is refused; nothing when it is not. */
function codeOf(text: string): string | undefined {
  try {
    readCursor(text)
    return undefined
  } catch (error) {
    return isFault(error) ? error.code : 'bug'
  }
}

test('a cursor always gives back the time key of its product, and is safe in a URL', () => {
  assert(
    property(string(), nat(), integer(), (key, now, seed) => {
      const ids = createIds({ clock: manualClock(now), random: seededRandom(seed) })
      const id = ids.root(key)
      const cursor = cursorAfter(id)
      expect(readCursor(cursor)).toBe(timeKey(id))
      expect(encodeURIComponent(cursor)).toBe(cursor)
    }),
  )
})

test('a cursor that was not given is always refused with one code', () => {
  assert(
    property(string({ unit: 'binary' }), (text) => {
      expect(codeOf(text)).toBe('invalid_cursor')
    }),
  )
})
