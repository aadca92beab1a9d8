import { describe, expect, test } from 'vitest'

import { inline } from '../../src/placement/inline.ts'
import { namedNodes } from './arbitraries.ts'
import { unplaceable } from './refusals.ts'

describe('inline', () => {
  test('asks the function, and tells it the names in the order of the nodes', () => {
    const locate = inline((key: number, names) => names[key % 2] ?? '')(namedNodes(2))

    expect([locate(0).name, locate(3).name]).toEqual(['node-0', 'node-1'])
  })

  test.each(['node-3', '', 'toString'])('refuses the answer %j, which names no node', (answer) => {
    expect(() => inline(() => answer)(namedNodes(3))(1)).toThrow(unplaceable)
  })
})
