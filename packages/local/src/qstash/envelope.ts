import { checkUrl } from './destination.ts'
import { parseDuration } from './duration.ts'
import { parseFlow } from './flow-value.ts'
import { canonicalName, isHopByHop } from './header-names.ts'
import type { FlatHeaders, HeaderMap } from './header-names.ts'
import type { Limits } from './limits.ts'
import type { Callback, Delivery, Envelope, Redaction } from './model.ts'
import { Refusal } from './refusal.ts'
import { compileRetryDelay } from './retry-delay.ts'

/** Headers of one message, names and values together; only a batch can carry more than HTTP allows. */
const maxHeaderSize = 65_536
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What an envelope is read from. */
export type EnvelopeSource = {
  /** Lower-case names. */
  readonly headers: FlatHeaders
  readonly body: Buffer
  readonly callerIp: string
  /** Our own token: with `Upstash-Header-Forward` another `Authorization` belongs to the message. */
  readonly token: string
  /** The message being retried from the DLQ: what `headers` leave out is taken from here. */
  readonly base?: Envelope | undefined
}

/**
 * Reads every `Upstash-*` setting of a publish.
 *
 * @throws Refusal 400 on a value that cannot be read, 413 on a body above the plan's limit.
 */
export function readEnvelope(source: EnvelopeSource, limits: Limits): Envelope {
  const { headers, body, base } = source
  if (body.length > limits.messageBytes) {
    throw new Refusal(
      413,
      `message of ${body.length} bytes exceeds the limit of ${limits.messageBytes}`,
    )
  }
  let headerSize = 0
  for (const [name, value] of Object.entries(headers)) headerSize += name.length + value.length
  if (headerSize > maxHeaderSize)
    throw new Refusal(413, `headers exceed ${maxHeaderSize} characters`)
  const own = readDelivery(headers, 'upstash-', limits)
  const retries = own.retries ?? base?.retries ?? limits.defaultRetries
  const flow = parseFlow(headers['upstash-flow-control-key'], headers['upstash-flow-control-value'])
  const labels = list(headers['upstash-label'])
  return {
    method: own.method ?? base?.method ?? 'POST',
    header: { ...base?.header, ...forwarded(source), ...own.header },
    retries,
    retryDelay: own.retryDelay ?? base?.retryDelay,
    timeoutMs: own.timeoutMs ?? base?.timeoutMs,
    delayMs: own.delayMs,
    notBefore: own.notBefore,
    body,
    callback:
      readCallback(headers, { name: 'upstash-callback', retries, limits }) ?? base?.callback,
    failureCallback:
      readCallback(headers, { name: 'upstash-failure-callback', retries, limits }) ??
      base?.failureCallback,
    flow: flow ?? base?.flow,
    labels: labels.length > 0 ? labels : (base?.labels ?? []),
    redact: readRedaction(headers['upstash-redact-fields']) ?? base?.redact,
    callerIp: source.callerIp,
  }
}

type PartialDelivery = { readonly [K in keyof Delivery]?: Delivery[K] | undefined } & {
  readonly header: HeaderMap
}

function readDelivery(headers: FlatHeaders, prefix: string, limits: Limits): PartialDelivery {
  return {
    method: readMethod(headers[`${prefix}method`]),
    header: prefixed(headers, `${prefix}forward-`),
    retries: readRetries(headers[`${prefix}retries`], limits),
    retryDelay: readRetryDelay(headers[`${prefix}retry-delay`]),
    timeoutMs: readDuration(headers[`${prefix}timeout`], 'timeout'),
    delayMs: readDelay(headers[`${prefix}delay`], limits),
    notBefore: readNotBefore(headers[`${prefix}not-before`]),
  }
}

type CallbackRule = {
  readonly name: 'upstash-callback' | 'upstash-failure-callback'
  /** The message's own retries, which a callback inherits. */
  readonly retries: number
  readonly limits: Limits
}

function readCallback(headers: FlatHeaders, rule: CallbackRule): Callback | undefined {
  const url = headers[rule.name]
  if (url === undefined || url === '') return undefined
  checkUrl(url, rule.name.slice('upstash-'.length).replace('-', ' '))
  const own = readDelivery(headers, `${rule.name}-`, rule.limits)
  return { ...own, url, method: own.method ?? 'POST', retries: own.retries ?? rule.retries }
}

/** Headers that travel with the message: `Content-Type`, and all of the request's when asked. */
function forwarded(source: EnvelopeSource): HeaderMap {
  const { headers, base } = source
  const map: Record<string, string[]> = {}
  const type = headers['content-type']
  if (type !== undefined && base === undefined) map['Content-Type'] = [type]
  if (headers['upstash-header-forward']?.toLowerCase() !== 'true') return map
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('upstash-') || isHopByHop(name)) continue
    if (name === 'authorization' && value === `Bearer ${source.token}`) continue
    map[canonicalName(name)] = [value]
  }
  return map
}

function prefixed(headers: FlatHeaders, prefix: string): HeaderMap {
  const map: Record<string, string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(prefix) || name.length === prefix.length) continue
    map[canonicalName(name.slice(prefix.length))] = [value]
  }
  return map
}

function readMethod(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const method = text.toUpperCase()
  if (!methods.includes(method)) throw new Refusal(400, `invalid method "${text}"`)
  return method
}

function readRetries(text: string | undefined, limits: Limits): number | undefined {
  if (text === undefined) return undefined
  const retries = Number(text)
  if (!/^\d+$/.test(text) || retries > limits.maxRetries) {
    throw new Refusal(400, `invalid retries "${text}": 0 to ${limits.maxRetries}`)
  }
  return retries
}

function readRetryDelay(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    compileRetryDelay(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal(400, `invalid retry delay "${text}": ${reason}`)
  }
  return text
}

function readDuration(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined
  const duration = /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text)
  if (duration === undefined) throw new Refusal(400, `invalid ${what} "${text}"`)
  return Math.round(duration)
}

function readDelay(text: string | undefined, limits: Limits): number | undefined {
  const delay = readDuration(text, 'delay')
  if (delay !== undefined && delay > limits.maxDelayMs) {
    throw new Refusal(400, `delay "${text}" exceeds the limit of ${limits.maxDelayMs / 1000}s`)
  }
  return delay
}

function readNotBefore(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seconds * 1_000_000)) {
    throw new Refusal(400, `invalid not-before "${text}": unix time in seconds`)
  }
  return seconds * 1000
}

function readRedaction(text: string | undefined): Redaction | undefined {
  if (text === undefined) return undefined
  let body = false
  let all = false
  const names: string[] = []
  for (const field of list(text)) {
    const name = /^headers?\[(.+)\]$/i.exec(field)?.[1]
    if (name !== undefined) names.push(canonicalName(name))
    else if (/^headers?$/i.test(field)) all = true
    else if (field.toLowerCase() === 'body') body = true
    else throw new Refusal(400, `invalid redact field "${field}"`)
  }
  return { body, header: all ? true : names }
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
