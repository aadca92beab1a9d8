import fc from 'fast-check'
import { expect, test } from 'vitest'

import { rendezvous } from '../../src/placement/rendezvous.ts'
import { users, weightedNodes } from './arbitraries.ts'

const keys = users.slice(0, 500)

test('rendezvous moves only the keys of the node that leaves', () => {
  fc.assert(
    fc.property(weightedNodes, fc.nat(), (nodes, pick) => {
      fc.pre(nodes.length > 1)
      const gone = nodes[pick % nodes.length]
      const all = rendezvous(nodes)
      const rest = rendezvous(nodes.filter((node) => node !== gone))

      const staying = keys.filter((key) => all(key) !== gone)
      expect(staying.filter((key) => rest(key).name !== all(key).name)).toEqual([])
    }),
    { numRuns: 20 },
  )
})

test('rendezvous moves keys only to the node that becomes heavier, and keeps those it had', () => {
  fc.assert(
    fc.property(weightedNodes, fc.nat(), (nodes, pick) => {
      const chosen = nodes[pick % nodes.length]
      const before = rendezvous(nodes)
      const after = rendezvous(
        nodes.map((node) => (node === chosen ? { ...node, weight: node.weight * 2 } : node)),
      )

      const moved = keys.filter((key) => after(key).name !== before(key).name)
      expect(moved.filter((key) => after(key).name !== chosen?.name)).toEqual([])
    }),
    { numRuns: 20 },
  )
})
