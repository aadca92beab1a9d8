import { type Keyspace, type KeyRange, slotMapOf } from '@stoa/sharding'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cutsIn, wavesApart, wavesTo } from '../../src/stoa/key-steps.ts'
import type { Step } from '../../src/stoa/wish.ts'

const names = ['a', 'b', 'c']
const home = { from: 0, to: 16_383, shard: 'a', epoch: 1 }
const shards = names.map((name) => ({ name, url: `memory:${name}`, incarnation: name }))
const keyOf = (at: number) => `0A0AB${String.fromCodePoint(65 + at)}`
const positions = 8
const owner = { lo: keyOf(0), hi: keyOf(positions) }

function placesOf(ranges: readonly KeyRange[]) {
  const keyspace: Keyspace = { shards, slots: [home], ranges }
  return { keyspace, map: slotMapOf('things', keyspace) }
}

type Places = ReturnType<typeof placesOf>

/** Ranges of which none cross and no two begin at one key. */
const laminar = fc
  .array(fc.tuple(fc.nat(positions - 1), fc.nat(positions), fc.constantFrom(...names)), {
    maxLength: 6,
  })
  .map((list) =>
    list.reduce<readonly KeyRange[]>((kept, [one, other, shard]) => {
      const range = {
        from: keyOf(Math.min(one, other)),
        to: keyOf(Math.max(one, other)),
        shard,
        epoch: 2,
      }
      const fits = kept.every(({ from, to }) => {
        if (from === range.from) return false
        const apart = range.to <= from || to <= range.from
        const within =
          (from < range.from && range.to <= to) || (range.from < from && to <= range.to)
        return apart || within
      })
      return range.from < range.to && fits ? [...kept, range] : kept
    }, []),
  )

/** What the mover does with a step, and what it refuses. */
function moved({ keyspace, map }: Places, { from, to, scope }: Step): readonly KeyRange[] {
  if (scope.kind !== 'range') throw new Error('only ranges move here')
  const { lo, hi } = scope
  const ranges = keyspace.ranges ?? []
  expect(map.place(lo).shard.name).toBe(from)
  for (const range of ranges) {
    const isApart = hi <= range.from || range.to <= lo
    const isInside = lo <= range.from && range.to <= hi
    const isAround = range.from <= lo && hi <= range.to
    expect(isApart || isInside || isAround).toBe(true)
  }
  const own = ranges.find((range) => range.from === lo)
  expect(own?.to ?? hi).toBe(hi)
  const rest = ranges.filter((range) => range !== own)
  // What lies inside on the same shard goes along.
  const along = rest.map((range) =>
    range.from > lo && range.to <= hi && range.shard === from ? { ...range, shard: to } : range,
  )
  return [...along, { from: lo, to: hi, shard: to, epoch: 3 }]
}

function playedTo(first: Places, to: string): Places {
  let places = first
  for (let wave = wavesTo(places, owner, { to })[0]; wave !== undefined;) {
    for (const step of wave) places = placesOf(moved(places, step))
    ;[wave] = wavesTo(places, owner, { to })
  }
  return places
}

const at = (places: Places) =>
  Array.from({ length: positions }, (_, index) => places.map.place(keyOf(index)).shard.name)

describe('moves of keys', () => {
  test('bring everything of an owner to one shard, however it lies', () => {
    fc.assert(
      fc.property(laminar, fc.constantFrom(...names), (ranges, to) => {
        expect(new Set(at(playedTo(placesOf(ranges), to)))).toEqual(new Set([to]))
      }),
    )
  })

  test('take the waves that were foretold', () => {
    fc.assert(
      fc.property(laminar, fc.constantFrom(...names), (ranges, to) => {
        let places = placesOf(ranges)
        for (const step of wavesTo(places, owner, { to }).flat())
          places = placesOf(moved(places, step))
        expect(new Set(at(places))).toEqual(new Set([to]))
      }),
    )
  })

  test('spread an owner of its own, each row once, and find it so', () => {
    const cuts = [keyOf(2), keyOf(5)]
    const parts = [
      { lo: owner.lo, hi: keyOf(2), to: 'c' },
      { lo: keyOf(2), hi: keyOf(5), to: 'a' },
      { lo: keyOf(5), hi: owner.hi, to: 'b' },
    ]
    let places = placesOf([{ from: owner.lo, to: owner.hi, shard: 'b', epoch: 2 }])
    expect(() => wavesApart(places, owner, parts)).toThrow('name "b", which has it, first')
    const [one, two, three] = parts
    if (one === undefined || two === undefined || three === undefined) throw new Error('no parts')
    const wished = [{ ...one, to: 'b' }, two, { ...three, to: 'c' }]

    for (const step of wavesApart(places, owner, wished).flat())
      places = placesOf(moved(places, step))

    expect(at(places)).toEqual(['b', 'b', 'a', 'a', 'a', 'c', 'c', 'c'])
    expect(cutsIn(places, owner)).toEqual(cuts)
    expect(wavesApart(places, owner, wished)).toEqual([])
    expect(() => wavesApart(places, owner, [{ ...owner, to: 'a' }])).toThrow('apart already')
  })
})
