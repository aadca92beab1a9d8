import { BadCallbackError } from '../domain/faults.ts'

/** How old a callback may be, in seconds: as much as Stripe's own library allows. */
const toleranceS = 300

const encoder = new TextEncoder()

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/**
 * Checks `t=<second>,v1=<hex HMAC-SHA256 of "t.body">`.
 *
 * @throws BadCallbackError when it is missing, not of this body, not by this secret, or not of these minutes.
 */
export async function verifySandboxSignature(
  { header, body }: { readonly header: string | null; readonly body: string },
  secret: string,
  now: number,
): Promise<void> {
  const form = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? '')
  if (form === null) throw new BadCallbackError('it is not signed')
  const [, t = '', mac = ''] = form
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  )
  const isSigned = await crypto.subtle.verify(
    'HMAC',
    key,
    bytesOf(mac),
    encoder.encode(`${t}.${body}`),
  )
  if (!isSigned) throw new BadCallbackError('the signature is not of this body')
  if (Math.abs(now / 1_000 - Number(t)) > toleranceS)
    throw new BadCallbackError('it was signed too long ago')
}
