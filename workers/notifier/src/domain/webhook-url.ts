import { Fault } from '@stoa/kernel'

/** The address is not one that a stranger may make this system call. */
export class WebhookUrlRefusedError extends Fault {
  override readonly name = 'WebhookUrlRefusedError'
  override readonly code = 'webhook_url_refused'
  override readonly kind = 'invalid_argument'

  constructor(why: string) {
    super(`Cannot take the webhook URL: ${why}`)
  }
}

export type UrlPolicy = {
  /** The host of this very deployment, which must not be made to call itself. */
  readonly ownHost: string
  /** Local development: `http://127.0.0.1` and `http://localhost` on any port are let through. */
  readonly allowLoopback: boolean
}

/** Names that mean something only inside a network, or that no public resolver answers (RFC 6761, 6762, 7686, 8375). */
const innerZones = new Set([
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'arpa',
  'onion',
  'alt',
  'invalid',
])

const dottedQuad = /^\d{1,3}(?:\.\d{1,3}){3}$/
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

function refuseHost(name: string, ownHost: string): void {
  if (name.startsWith('[') || dottedQuad.test(name)) {
    throw new WebhookUrlRefusedError('it must name its host, not number it')
  }
  const labels = name.split('.')
  if (name.length > 253 || !labels.every((each) => label.test(each))) {
    throw new WebhookUrlRefusedError('its host is not a name')
  }
  if (labels.length < 2 || innerZones.has(labels.at(-1) ?? '')) {
    throw new WebhookUrlRefusedError('its host is not on the public internet')
  }
  if (name === ownHost) throw new WebhookUrlRefusedError('its host is this system itself')
}

/**
 * `text` in the one spelling that will be called.
 *
 * Everything is checked after parsing, so that a host hidden in octal, in circled digits, behind a line break or an
 * ideographic full stop is seen as what it is. What a *name* resolves to is not checked: a Worker cannot pin an
 * address, so that is for the platform's network to refuse.
 *
 * @throws WebhookUrlRefusedError unless it is https on port 443 at a public name, without user or password.
 * @see https://url.spec.whatwg.org/#host-parsing
 */
export function acceptUrl(text: string, { ownHost, allowLoopback }: UrlPolicy): string {
  const url = URL.parse(text)
  if (url === null) throw new WebhookUrlRefusedError('it is none')
  if (url.username !== '' || url.password !== '') {
    throw new WebhookUrlRefusedError('it must not hold a user or a password')
  }
  // A fragment is never sent.
  url.hash = ''
  const isLoopback = url.hostname === '127.0.0.1' || url.hostname === 'localhost'
  if (allowLoopback && url.protocol === 'http:' && isLoopback) return url.href
  if (url.protocol !== 'https:') throw new WebhookUrlRefusedError('it must be https')
  if (url.port !== '') throw new WebhookUrlRefusedError('it must be on port 443')
  refuseHost(url.hostname.replace(/\.$/, ''), ownHost)
  return url.href
}
