import { HttpFault } from './http-fault.ts'

/**
 * What makes a request safe to repeat: who asked what under which key, and a `fingerprint` of the whole request, so
 * that the same key with another body is refused.
 */
export type Once = {
  readonly principal: string
  readonly method: string
  readonly route: string
  readonly key: string
  readonly fingerprint: string
}

/**
 * The value of `Idempotency-Key`: 1 to 255 printable ASCII characters, with or without the quotes of RFC 8941.
 *
 * @throws HttpFault `idempotency_key_missing` or `idempotency_key_invalid`.
 * @see draft-ietf-httpapi-idempotency-key-header-07
 */
export function idempotencyKeyOf(request: Request): string {
  const raw = request.headers.get('idempotency-key')
  if (raw === null) {
    throw new HttpFault(
      'idempotency_key_missing',
      'Cannot take the request: it needs an Idempotency-Key',
    )
  }
  const key = /^"(.*)"$/.exec(raw)?.[1] ?? raw
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new HttpFault(
    'idempotency_key_invalid',
    'Cannot take the Idempotency-Key: it must be 1 to 255 printable ASCII characters',
  )
}

/** Keyed, because a body may hold a password, and a plain hash of it could be searched. */
export async function fingerprintOf(
  parts: readonly (string | Uint8Array)[],
  secret: string,
): Promise<string> {
  const encoder = new TextEncoder()
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(`fingerprint|${secret}`),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const chunks = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part))
  const framed = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length + 4, 0))
  let offset = 0
  for (const chunk of chunks) {
    new DataView(framed.buffer).setUint32(offset, chunk.length)
    framed.set(chunk, offset + 4)
    offset += chunk.length + 4
  }
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, framed))
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
