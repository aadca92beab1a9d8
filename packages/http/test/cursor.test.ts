import { createIds, isFault, manualClock, seededRandom } from '@stoa/kernel'
import { assert, integer, nat, property, string } from 'fast-check'
import { expect, test } from 'vitest'

import { formatCursor, readCursor } from '../src/index.ts'

/** Why a text is refused; nothing when it is not. */
function codeOf(text: string): string | undefined {
  try {
    readCursor(text)
    return undefined
  } catch (error) {
    return isFault(error) ? error.code : 'bug'
  }
}

test('a cursor always gives back its id, and is safe in a URL', () => {
  assert(
    property(string(), nat(), integer(), (key, now, seed) => {
      const ids = createIds({ clock: manualClock(now), random: seededRandom(seed) })
      const id = ids.root(key)
      const cursor = formatCursor(id)
      expect(readCursor(cursor)).toBe(id)
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
