import { Refusal } from './refusal.ts'

/** A request-target split by hand: no decoding, no normalising, `//` kept. */
export type Target = { readonly path: string; readonly query: string | undefined }

export function splitTarget(target: string): Target {
  const mark = target.indexOf('?')
  return mark === -1
    ? { path: target, query: undefined }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** The destination of a publish and the settings that travelled in its query. */
export type RawDestination = {
  readonly destination: string
  /** `upstash-*` query keys, lower case: a webhook sender cannot set headers. */
  readonly settings: Readonly<Record<string, string>>
}

/**
 * What follows `/v2/publish/`, byte for byte, less the API's own query keys (`qstash_token`,
 * `upstash-*`): the clients append the destination un-encoded, so its query is the request's query.
 */
export function rawDestination(rest: string, query: string | undefined): RawDestination {
  const settings: Record<string, string> = {}
  if (query === undefined) return { destination: rest, settings }
  const kept: string[] = []
  let removed = false
  for (const pair of query.split('&')) {
    const name = (pair.split('=', 1)[0] ?? '').toLowerCase()
    if (name === 'qstash_token') removed = true
    else if (name.startsWith('upstash-')) {
      removed = true
      settings[name] = decode(pair.slice(name.length + 1))
    } else kept.push(pair)
  }
  const destination = kept.length === 0 && removed ? rest : `${rest}?${kept.join('&')}`
  return { destination, settings }
}

/** One query name or value; malformed escapes stay as they are. */
export function decode(text: string): string {
  return decodeSegment(text.replaceAll('+', ' '))
}

/** One path segment, where a plus is a plus. */
export function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Whether a destination is a URL rather than the name of a URL group. */
export function isUrl(destination: string): boolean {
  return /^https?:\/\//i.test(destination)
}

/** What HTTP servers take in a request line; only a batch can carry more. */
const longestUrl = 16_384

/** @throws Refusal 400 when `url` is not an absolute http(s) URL with a host. */
export function checkUrl(url: string, what: string): void {
  if (url.length > longestUrl) {
    throw new Refusal(400, `invalid ${what}: longer than ${longestUrl} characters`)
  }
  if (!isUrl(url)) {
    throw new Refusal(400, `invalid ${what}: "${url}" must start with http:// or https://`)
  }
  const parsed = URL.parse(url)
  // WHATWG parsing would take `http:///x` for the host x.
  if (parsed === null || !/^https?:\/\/[^/?#]/i.test(url)) {
    throw new Refusal(400, `invalid ${what}: "${url}" is not a valid URL`)
  }
}
