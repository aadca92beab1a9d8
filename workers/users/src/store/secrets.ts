import { createHash, randomBytes } from 'node:crypto'

import type { Secrets } from '../domain/ports.ts'

const secretBytes = 32

/** A secret of 256 random bits needs no slow hash. */
export const sha256Secrets: Secrets = {
  create: () => randomBytes(secretBytes).toString('hex'),
  hash: async (secret) => createHash('sha256').update(secret).digest('hex'),
}
