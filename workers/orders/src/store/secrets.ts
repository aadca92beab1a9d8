import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

import type { Secrets } from '../domain/ports.ts'

const secretBytes = 32

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** A secret of 256 random bits needs no slow hash. */
export const sha256Secrets: Secrets = {
  create: () => randomBytes(secretBytes).toString('hex'),
  hash: async (secret) => digest(secret).toString('hex'),
  matches: async (secret, hash) => {
    const expected = Buffer.from(hash, 'hex')
    const given = digest(secret)
    return expected.length === given.length && timingSafeEqual(expected, given)
  },
}
