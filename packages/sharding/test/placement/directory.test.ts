import { describe, expect, test } from 'vitest'

import { directory } from '../../src/placement/directory.ts'
import { jump } from '../../src/placement/jump.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid, unplaceable } from './refusals.ts'

describe('directory', () => {
  test('finds what is listed, and leaves the others to the algorithm that is named', () => {
    const locate = directory({ acme: 'node-2', 7: 'node-1' }, { otherwise: jump })(namedNodes(3))

    expect(locate('acme').name).toBe('node-2')
    expect([locate(7).name, locate('7').name]).toEqual(['node-1', 'node-1'])
    expect(locate('other')).toEqual(jump(namedNodes(3))('other'))
  })

  test.each(['other', '', 'constructor', '__proto__'])('refuses %j, which is not listed', (key) => {
    expect(() => directory({ acme: 'node-1' })(namedNodes(3))(key)).toThrow(unplaceable)
  })

  test('refuses an entry that names an unknown node', () => {
    expect(() => directory({ acme: 'node-9' })(namedNodes(3))).toThrow(invalid)
  })
})
