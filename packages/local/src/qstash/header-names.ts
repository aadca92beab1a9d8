/** Header names in Go's canonical case, each with its values: how the API shows every header map. */
export type HeaderMap = Readonly<Record<string, readonly string[]>>
/** Lower-case names, one value each. */
export type FlatHeaders = Readonly<Record<string, string>>

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const known = new Map<string, string>()
const knownMax = 1000

/** `bypass-tunnel-reminder` → `Bypass-Tunnel-Reminder`; a name that is no HTTP token stays as it is. */
export function canonicalName(name: string): string {
  const cached = known.get(name)
  if (cached !== undefined) return cached
  const made = token.test(name)
    ? name.toLowerCase().replaceAll(/(^|-)([a-z])/g, (all) => all.toUpperCase())
    : name
  if (known.size < knownMax) known.set(name, made)
  return made
}

/** The headers of a `fetch` reply as a header map. */
export function headerMap(headers: Iterable<[string, string]>): HeaderMap {
  const map: Record<string, string[]> = {}
  for (const [name, value] of headers) {
    const canonical = canonicalName(name)
    const values = map[canonical]
    if (values === undefined) map[canonical] = [value]
    else values.push(value)
  }
  return map
}

/** Entries with lower-case names, as strings; a list is joined with `, `. */
export function flatten(headers: Readonly<Record<string, unknown>>): FlatHeaders {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) flat[name.toLowerCase()] = value.map(String).join(', ')
    else if (typeof value === 'string') flat[name.toLowerCase()] = value
    else if (typeof value === 'number' || typeof value === 'boolean')
      flat[name.toLowerCase()] = String(value)
  }
  return flat
}

/** Headers that belong to one connection or to the API itself, never to the message. */
const hopByHop = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a delivery must not carry this header: `fetch` and the connection own it. */
export function isHopByHop(name: string): boolean {
  return hopByHop.has(name.toLowerCase())
}
