/** The current signing key of the local queue; public, as the real development server's is. */
const signingKey = 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r'

const encoder = new TextEncoder()

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCodePoint(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Signs a delivery as the queue does: a JWT over the destination and the hash of the raw body. */
export async function signDelivery(url: string, body: string): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(body)))
  const claims = {
    iss: 'Upstash',
    sub: url,
    iat: now,
    exp: now + 300,
    nbf: 0,
    jti: `jwt_${crypto.randomUUID()}`,
    body: base64url(digest),
  }
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
    base64url(encoder.encode(JSON.stringify(part))),
  )
  const text = parts.join('.')
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(signingKey),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
  return `${text}.${base64url(mac)}`
}

/** A signed delivery of `events` to the inbox of `consumer`, as the gateway would forward it. Runs in workerd and in Node. */
export async function deliveryOf(
  consumer: string,
  events: readonly unknown[],
  publicUrl: string,
): Promise<Request> {
  const url = `${publicUrl}/_inbox/${consumer}`
  const body = JSON.stringify({ events })
  return new Request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'upstash-signature': await signDelivery(url, body),
    },
    body,
  })
}
