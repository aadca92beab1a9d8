import { describe, expect, test } from 'vitest'

import { isOf, readEvents } from '../src/index.ts'
import { idIn, registered } from './harness.ts'

const good = registered(idIn(5))

describe('readEvents', () => {
  test('gives back what was written, without what nobody agreed on', () => {
    const more = { ...good, more: 1, data: { ...good.data, more: 1 } }

    const { events, unreadable } = readEvents([JSON.parse(JSON.stringify(more))])

    expect(events).toEqual([good])
    expect(unreadable).toEqual([])
  })

  test.each([
    ['null', null],
    ['a list', []],
    ['a text', 'x'],
    ['no id', { ...good, id: undefined }],
    ['an id that is none', { ...good, id: 'x'.repeat(20) }],
    ['a short key', { ...good, key: 'x' }],
    ['the order number 0', { ...good, seq: 0 }],
    ['an order number that is none', { ...good, seq: 1.5 }],
    ['a time before 1970', { ...good, at: -1 }],
    ['an endless time', { ...good, at: Infinity }],
    ['an unknown type', { ...good, type: 'member.ascended' }],
    ['a version that is not there yet', { ...good, v: 2 }],
    ['the version 0', { ...good, v: 0 }],
    ['the type of every object', { ...good, type: 'constructor' }],
    ['a type that is a prototype', { ...good, type: '__proto__' }],
    ['the data of another type', { ...good, data: { follower: 'x' } }],
    ['a typed id in the data', { ...good, data: { ...good.data, member: `usr_${good.key}` } }],
    ['no data', { ...good, data: undefined }],
  ])('sorts out %s, and reads the rest', (_what, bad) => {
    const { events, unreadable } = readEvents([good, bad, good])

    expect(events).toEqual([good, good])
    expect(unreadable).toHaveLength(1)
    expect(unreadable[0]?.why).not.toBe('')
  })
})

test.each([
  ['event_malformed', { ...good, seq: 0 }],
  ['event_type_unknown', { ...good, type: 'member.ascended' }],
  ['event_version_unknown', { ...good, v: 2 }],
  ['event_data_invalid', { ...good, data: {} }],
])('what cannot be read says why: %s', (code, bad) => {
  expect(readEvents([bad]).unreadable).toMatchObject([{ code }])
})

test('an event is of its own type alone', () => {
  expect([isOf(good, 'member.registered'), isOf(good, 'post.created')]).toEqual([true, false])
})
