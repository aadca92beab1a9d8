import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

import type { PasswordHasher } from '../domain/ports.ts'

/**
 * OWASP's set for 16 MiB: about 150 ms of CPU. The runtime caps N·r·p at 2^20 in production and not locally, so a test
 * holds these constants below it; the sets of 2^15 and more do not fit an isolate's memory beside other work.
 */
export const cost = { ln: 14, r: 8, p: 5 } as const
export const costMax = 2 ** 20

const saltBytes = 16
const keyBytes = 32
const form = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

type Parameters = { readonly ln: number; readonly r: number; readonly p: number }

function derive(password: string, salt: Uint8Array, { ln, r, p }: Parameters): Promise<Buffer> {
  // One spelling for each password: what looks the same on two keyboards must be the same.
  const text = password.normalize('NFC')
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, { N: 2 ** ln, r, p }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}

/** scrypt in the runtime's own code; hashes say their parameters, so that those can grow. */
export const scryptHasher: PasswordHasher = {
  hash: async (password) => {
    const salt = randomBytes(saltBytes)
    const key = await derive(password, salt, cost)
    return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${encode(salt)}$${encode(key)}`
  },
  verify: async (password, hash) => {
    const [, ln, r, p, salt = '', key = ''] = form.exec(hash ?? '') ?? []
    const parameters = { ln: Number(ln), r: Number(r), p: Number(p) }
    const known = 2 ** parameters.ln * parameters.r * parameters.p <= costMax
    // An unknown member costs the same hash, of a salt that nothing was stored under.
    const derived = await derive(
      password,
      known ? Buffer.from(salt, 'base64') : new Uint8Array(saltBytes),
      known ? parameters : cost,
    )
    const expected = Buffer.from(key, 'base64')
    return known && expected.length === derived.length && timingSafeEqual(expected, derived)
  },
}
