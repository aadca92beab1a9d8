import { createHash, createHmac } from 'node:crypto'

const header = base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT' }))
const lifeSeconds = 300

/** What one delivery's signature vouches for. */
export type Claims = {
  /** The destination exactly as published. */
  readonly url: string
  readonly body: Uint8Array
  readonly nowMs: number
  readonly tokenId: string
}

/**
 * The `Upstash-Signature` of a delivery: a JWT, HS256, keyed with the UTF-8 bytes of the signing key.
 * `nbf` is 0 on purpose, as the service does since September 2024, so that skewed clocks do not reject it.
 *
 * @see https://upstash.com/docs/qstash/howto/signature
 */
export function sign(claims: Claims, key: string): string {
  const issuedAt = Math.floor(claims.nowMs / 1000)
  const payload = base64url(
    JSON.stringify({
      iss: 'Upstash',
      sub: claims.url,
      exp: issuedAt + lifeSeconds,
      nbf: 0,
      iat: issuedAt,
      jti: `jwt_${claims.tokenId}`,
      body: createHash('sha256').update(claims.body).digest('base64url'),
    }),
  )
  const signed = `${header}.${payload}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
