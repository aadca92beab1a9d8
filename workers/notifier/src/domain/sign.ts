import type { Random } from '@stoa/kernel'

const encoder = new TextEncoder()
const sharedPrefix = 'whsec_'
const keyPairPrefix = 'whsk_'
const publicPrefix = 'whpk_'

/** The two signatures of Standard Webhooks: with a shared secret, and with a key pair. */
export type Signature = 'v1' | 'v1a'

/** Standard Webhooks ask for 24 to 64 bytes of a shared secret; an Ed25519 seed has 32. */
const secretBytes = 32

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCodePoint(...bytes))
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.codePointAt(0) ?? 0)
}

function base64url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** What PKCS #8 puts before the seed of an Ed25519 key (RFC 8410). */
const ed25519Header = bytesOf('MC4CAQAwBQYDK2VwBCIEIA==')

async function keyPairOf(seed: Uint8Array): Promise<string> {
  const pkcs8 = Uint8Array.from([...ed25519Header, ...seed])
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, true, ['sign'])
  const jwk = await crypto.subtle.exportKey('jwk', key)
  const x = 'x' in jwk ? jwk.x : undefined
  if (x === undefined) throw new TypeError('Cannot make a key pair: its public half is not there')
  const point = bytesOf(x.replaceAll('-', '+').replaceAll('_', '/'))
  return keyPairPrefix + base64(Uint8Array.from([...seed, ...point]))
}

/** A new secret to sign webhooks with, as Standard Webhooks spell it: `whsec_…` of `v1`, `whsk_…` of `v1a`. */
export async function newSecret(signature: Signature, random: Random): Promise<string> {
  const bytes = random.bytes(secretBytes)
  return signature === 'v1' ? sharedPrefix + base64(bytes) : keyPairOf(bytes)
}

export function signatureOf(secret: string): Signature {
  return secret.startsWith(keyPairPrefix) ? 'v1a' : 'v1'
}

/** What a receiver verifies with: the shared secret itself, or the public half of the key pair. */
export function verificationOf(secret: string): { secret: string } | { publicKey: string } {
  if (signatureOf(secret) === 'v1') return { secret }
  const point = bytesOf(secret.slice(keyPairPrefix.length)).slice(secretBytes)
  return { publicKey: publicPrefix + base64(point) }
}

async function macOf(text: Uint8Array<ArrayBuffer>, secret: string): Promise<ArrayBuffer> {
  const raw = bytesOf(secret.slice(sharedPrefix.length))
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', raw, algorithm, false, ['sign'])
  return crypto.subtle.sign('HMAC', key, text)
}

async function ed25519Of(text: Uint8Array<ArrayBuffer>, secret: string): Promise<ArrayBuffer> {
  const raw = bytesOf(secret.slice(keyPairPrefix.length))
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: base64url(raw.slice(0, secretBytes)),
    x: base64url(raw.slice(secretBytes)),
  }
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'Ed25519' }, false, ['sign'])
  return crypto.subtle.sign({ name: 'Ed25519' }, key, text)
}

async function signed(text: Uint8Array<ArrayBuffer>, secret: string): Promise<string> {
  const signature = signatureOf(secret)
  const bytes = await (signature === 'v1' ? macOf(text, secret) : ed25519Of(text, secret))
  return `${signature},${base64(new Uint8Array(bytes))}`
}

export type SignedText = {
  /** The same for every attempt: by it the receiver drops a copy. */
  readonly id: string
  /** Seconds since 1970 of this attempt; receivers refuse what is five minutes off. */
  readonly seconds: number
  readonly body: string
}

/**
 * The headers by which a receiver knows who sent `body`, when, and which delivery it is: a signature by each of
 * `secrets`, of which the receiver needs to know one.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function signedHeaders(
  { id, seconds, body }: SignedText,
  secrets: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const text = encoder.encode(`${id}.${seconds}.${body}`)
  const signatures = await Promise.all(secrets.map((secret) => signed(text, secret)))
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  }
}
