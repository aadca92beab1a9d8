import { decode } from '../destination.ts'
import type { LogState, Message } from '../model.ts'
import { Refusal } from '../refusal.ts'
import type { ApiRequest } from './request.ts'

/** Query fields, each with its values as sent. */
export type Params = ReadonlyMap<string, readonly string[]>

/** @throws Refusal 400 on a field that is not among `allowed`. */
export function readParams(request: ApiRequest, allowed: readonly string[]): Params {
  const params = new Map<string, string[]>()
  for (const pair of (request.query ?? '').split('&')) {
    if (pair === '') continue
    const mark = pair.indexOf('=')
    const name = decode(mark === -1 ? pair : pair.slice(0, mark))
    if (name === 'qstash_token') continue
    if (!allowed.includes(name)) throw new Refusal(400, `unknown query field "${name}"`)
    const value = mark === -1 ? '' : decode(pair.slice(mark + 1))
    params.set(name, [...(params.get(name) ?? []), value])
  }
  return params
}

/** Repeated fields and comma lists alike. */
export function listParam(params: Params, name: string): readonly string[] {
  const values = params.get(name) ?? []
  return values.flatMap((value) => value.split(',')).filter((value) => value !== '')
}

/** @throws Refusal 400 when it is no whole number. */
function numberParam(params: Params, name: string): number | undefined {
  const text = params.get(name)?.[0]
  if (text === undefined || text === '') return undefined
  if (!/^\d+$/.test(text)) throw new Refusal(400, `invalid ${name} "${text}"`)
  return Number(text)
}

/** @throws Refusal 400 unless it is `true` or `false`. */
export function flagParam(params: Params, name: string): boolean {
  const text = params.get(name)?.[0]?.toLowerCase()
  if (text !== undefined && text !== 'true' && text !== 'false') {
    throw new Refusal(400, `invalid ${name} "${text}"`)
  }
  return text === 'true'
}

/** What a filter looks at. */
export type Facts = {
  readonly message: Message
  /** Creation of a message, or the time of an entry. */
  readonly time: number
  readonly state?: LogState
  readonly responseStatus?: number
  readonly dlqId?: string
}

type Matcher = (facts: Facts, value: string) => boolean

const inProgress: ReadonlySet<LogState | undefined> = new Set(['ACTIVE', 'RETRY', 'ERROR'])

const matchers: Readonly<Record<string, Matcher>> = {
  messageId: ({ message }, value) => message.id === value,
  messageIds: ({ message }, value) => message.id === value,
  dlqIds: ({ dlqId }, value) => dlqId === value,
  url: ({ message }, value) => message.url === value,
  host: ({ message }, value) => URL.parse(message.url)?.host === value,
  path: ({ message }, value) => URL.parse(message.url)?.pathname === value,
  topicName: ({ message }, value) => message.topicName === value,
  queueName: ({ message }, value) => message.queueName === value,
  scheduleId: ({ message }, value) => message.scheduleId === value,
  label: ({ message }, value) => message.envelope.labels.includes(value),
  flowControlKey: ({ message }, value) => message.envelope.flow?.key === value,
  callerIp: ({ message }, value) => message.envelope.callerIp === value,
  callerIP: ({ message }, value) => message.envelope.callerIp === value,
  responseStatus: ({ responseStatus }, value) => String(responseStatus) === value,
  state: ({ state }, value) =>
    value === 'IN_PROGRESS' ? inProgress.has(state) : state === value.replace('LLED', 'LED'),
}

const common = [
  'url',
  'host',
  'path',
  'topicName',
  'queueName',
  'scheduleId',
  'label',
  'flowControlKey',
  'callerIp',
  'callerIP',
  'fromDate',
  'toDate',
]

export const messageFields = [...common, 'messageIds', 'count', 'cursor', 'async']
export const dlqFields = [
  ...common,
  'messageId',
  'dlqIds',
  'responseStatus',
  'count',
  'cursor',
  'order',
  'api',
]
export const logFields = [
  ...common,
  'messageId',
  'messageIds',
  'state',
  'responseStatus',
  'count',
  'cursor',
  'order',
  'api',
]

/**
 * One predicate for all filter fields given: any value of a field may match, all fields must. A value
 * may hold commas itself (a URL can), so the whole value counts beside its parts.
 */
export function readFilter(params: Params): (facts: Facts) => boolean {
  const from = numberParam(params, 'fromDate') ?? 0
  const to = numberParam(params, 'toDate') ?? Number.POSITIVE_INFINITY
  const tests: ((facts: Facts) => boolean)[] = [({ time }) => time >= from && time <= to]
  if ((params.get('api') ?? []).length > 0) tests.push(() => false)
  for (const [name, given] of params) {
    const matcher = matchers[name]
    if (matcher === undefined) continue
    const values = new Set([...given, ...listParam(params, name)])
    tests.push((facts) => [...values].some((value) => matcher(facts, value)))
  }
  return (facts) => tests.every((test) => test(facts))
}

/** The filters as sent, without paging. */
export function filterRecord(params: Params): Record<string, readonly string[]> {
  const shown = [...params.keys()].filter((name) => !['count', 'cursor', 'async'].includes(name))
  return Object.fromEntries(shown.map((name) => [name, listParam(params, name)]))
}

/** At least 1, at most `max`; `fallback` when not given. */
export function countParam(params: Params, fallback: number, max: number): number {
  return Math.min(max, Math.max(1, numberParam(params, 'count') ?? fallback))
}
