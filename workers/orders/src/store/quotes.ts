import { createHmac, timingSafeEqual } from 'node:crypto'

import type { Quotes } from '../domain/ports.ts'
import type { SealedQuote } from '../domain/quote.ts'

/**
 * Quotes as `<what is promised>.<HMAC-SHA-256 of it>`, both in base64url: nothing is kept here, and nobody can change
 * a price. The key is the deployment's secret, for this use alone; a new secret ends all quotes.
 */
export function hmacQuotes(secret: string): Quotes {
  const sign = (text: string) => createHmac('sha256', `quote|${secret}`).update(text).digest()
  return {
    seal: async (quote) => {
      const text = Buffer.from(JSON.stringify(quote)).toString('base64url')
      return `${text}.${sign(text).toString('base64url')}`
    },
    open: async (sealed) => {
      const [text = '', mac = ''] = sealed.split('.')
      const [given, expected] = [Buffer.from(mac, 'base64url'), sign(text)]
      const holds = given.length === expected.length && timingSafeEqual(given, expected)
      if (!holds) return undefined
      // Only `seal` of the same key makes what the seal holds for.
      return JSON.parse(Buffer.from(text, 'base64url').toString()) as SealedQuote
    },
  }
}
