import { describe, expect, test } from 'vitest'

import { cost, costMax, scryptHasher } from '../src/store/scrypt.ts'

describe('scryptHasher', () => {
  test('stays within what production allows, which the local runtime does not check', () => {
    expect(2 ** cost.ln * cost.r * cost.p).toBeLessThanOrEqual(costMax)
    // OWASP's minimum for 16 MiB.
    expect(cost).toEqual({ ln: 14, r: 8, p: 5 })
  })

  test('verifies what it hashed, and nothing else', async () => {
    const hash = await scryptHasher.hash('correct horse')

    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$/)
    expect(await scryptHasher.verify('correct horse', hash)).toBe(true)
    expect(await scryptHasher.verify('correct hors', hash)).toBe(false)
    expect(await scryptHasher.verify('correct horse ', hash)).toBe(false)
    expect(await scryptHasher.hash('correct horse')).not.toBe(hash)
  })

  test('takes one spelling for two encodings of the same letters', async () => {
    const hash = await scryptHasher.hash('cafe\u0301 au lait')

    expect(await scryptHasher.verify('caf\u00e9 au lait', hash)).toBe(true)
  })

  test.each([undefined, '', '$scrypt$', '$scrypt$ln=30,r=8,p=5$c2FsdA$a2V5', 'plain'])(
    'verifies nothing against the hash %s, and still does the work',
    async (hash) => {
      expect(await scryptHasher.verify('', hash)).toBe(false)
    },
  )
})
