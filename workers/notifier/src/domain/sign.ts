const encoder = new TextEncoder()
const secretPrefix = 'whsec_'

/** A secret to sign webhooks with, as Standard Webhooks spell it. */
export function formatSecret(bytes: Uint8Array): string {
  return secretPrefix + btoa(String.fromCodePoint(...bytes))
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const text = atob(secret.slice(secretPrefix.length))
  return Uint8Array.from(text, (character) => character.codePointAt(0) ?? 0)
}

export type SignedText = {
  /** The same for every attempt: by it the receiver drops a copy. */
  readonly id: string
  /** Seconds since 1970 of this attempt; receivers refuse what is five minutes off. */
  readonly seconds: number
  readonly body: string
}

/**
 * The headers by which a receiver knows who sent `body`, when, and which delivery it is.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function signedHeaders(
  { id, seconds, body }: SignedText,
  secret: string,
): Promise<Readonly<Record<string, string>>> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', keyOf(secret), algorithm, false, ['sign'])
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(`${id}.${seconds}.${body}`))
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${btoa(String.fromCodePoint(...new Uint8Array(mac)))}`,
  }
}
