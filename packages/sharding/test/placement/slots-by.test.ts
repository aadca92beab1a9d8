import { slotCount } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { boundaryRange } from '../../src/placement/boundary-range.ts'
import { jump } from '../../src/placement/jump.ts'
import { ketama } from '../../src/placement/ketama.ts'
import { maglev } from '../../src/placement/maglev.ts'
import { hashModulo, modulo } from '../../src/placement/modulo.ts'
import { rendezvous } from '../../src/placement/rendezvous.ts'
import { slotsBy } from '../../src/placement/slots-by.ts'
import { slotMapOf } from '../../src/topology.ts'
import { namedNodes } from './arbitraries.ts'

describe('slotsBy', () => {
  test.each([
    ['modulo', modulo],
    ['hash-modulo', hashModulo()],
    ['jump', jump],
    ['ketama', ketama()],
    ['rendezvous', rendezvous],
    ['maglev', maglev()],
    ['boundaries', boundaryRange([1_000, 9_000])],
  ])('makes of %s a map that the router takes and that agrees with it', (_name, algorithm) => {
    const shards = namedNodes(3).map(({ name }) => ({
      name,
      url: `http://${name}`,
      incarnation: '',
    }))

    const slots = slotsBy(algorithm, shards)

    const map = slotMapOf('things', { shards, slots })
    const locate = algorithm(shards)
    for (let slot = 0; slot < slotCount; slot += 7) expect(map.place(slot).shard).toBe(locate(slot))
    expect(new Set(slots.map(({ shard }) => shard)).size).toBe(3)
  })

  test('makes as few ranges as there are', () => {
    expect(slotsBy(boundaryRange([1_000, 9_000]), namedNodes(3))).toEqual([
      { from: 0, to: 999, shard: 'node-0', epoch: 1 },
      { from: 1_000, to: 8_999, shard: 'node-1', epoch: 1 },
      { from: 9_000, to: slotCount - 1, shard: 'node-2', epoch: 1 },
    ])
  })
})
