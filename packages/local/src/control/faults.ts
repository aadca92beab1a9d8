/**
 * Faults on purpose: rules that match a request (or a QStash delivery) and spoil it for the next `times` matches.
 *
 * | action | what happens |
 * |---|---|
 * | `drop-request` | the connection is cut before the server sees the request |
 * | `drop-reply` | the request takes effect, then the connection is cut |
 * | `delay` | the request waits `delayMs` first |
 * | `duplicate` | the request takes effect twice; the first answer is sent |
 * | `reorder` | the request waits until the next match has been answered, at most `delayMs` |
 * | `error` | `status` (default 500) is answered and nothing takes effect |
 * | `partition` | as `drop-request`, until the rule is deleted |
 * | `crash` | the process kills itself, before the effect or (`"when": "after"`) before the reply |
 */
export const actions = [
  'drop-request',
  'drop-reply',
  'delay',
  'duplicate',
  'reorder',
  'error',
  'partition',
  'crash',
] as const

export type Action = (typeof actions)[number]

export type Match = {
  /** `request` (the default) to this server, or `delivery`: what the QStash emulator sends out. */
  readonly direction?: 'request' | 'delivery'
  readonly method?: string
  /** A regular expression on the raw request-target, or on the destination URL of a delivery. */
  readonly path?: string
  readonly database?: string
  readonly requestId?: string
  /** A text that the body must contain. */
  readonly contains?: string
}

export type Rule = {
  readonly id: string
  readonly action: Action
  readonly match: Match
  /** How many matches are still to be spoilt; `null` is without end. */
  readonly times: number | null
  /** How many matches pass unharmed before the first is spoilt. */
  readonly skip: number
  readonly delayMs: number
  readonly status: number
  readonly when: 'before' | 'after'
}

export type Subject = {
  readonly direction: 'request' | 'delivery'
  readonly method: string
  readonly path: string
  readonly database?: string | undefined
  readonly requestId?: string | undefined
  readonly body: Uint8Array
}

type Live = Rule & {
  left: number
  toSkip: number
  pattern: RegExp | undefined
  waiting?: () => void
}

const rulesKept = 1_000

export class InvalidFaultError extends Error {
  override readonly name = 'InvalidFaultError'
}

function textOf(input: Record<string, unknown>, key: string): string | undefined {
  const value = input[key]
  if (value === undefined || typeof value === 'string') return value
  throw new InvalidFaultError(`Cannot read the fault: "${key}" is not a text`)
}

function countOf(input: Record<string, unknown>, key: string, fallback: number): number {
  const value = input[key] ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new InvalidFaultError(`Cannot read the fault: "${key}" is not a whole number of at least 0`)
}

function oneOf<T extends string>(value: string | undefined, allowed: readonly T[], key: string): T {
  const found = allowed.find((each) => each === value)
  if (found !== undefined) return found
  throw new InvalidFaultError(
    `Cannot read the fault: "${key}" must be one of ${allowed.join(', ')}`,
  )
}

function asRecord(input: unknown, what: string): Record<string, unknown> {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
    return Object.fromEntries(Object.entries(input))
  }
  throw new InvalidFaultError(`Cannot read the fault: ${what} is not a JSON object`)
}

function parseMatch(input: unknown): Match {
  const record = asRecord(input, '"match"')
  const known = new Set(['direction', 'method', 'path', 'database', 'requestId', 'contains'])
  const stray = Object.keys(record).find((key) => !known.has(key))
  if (stray !== undefined)
    throw new InvalidFaultError(`Cannot read the fault: unknown match "${stray}"`)
  const match: Record<string, string> = {}
  for (const key of known) {
    const value = textOf(record, key)
    if (value !== undefined) match[key] = value
  }
  if (match['direction'] !== undefined)
    oneOf(match['direction'], ['request', 'delivery'], 'direction')
  return match
}

function patternOf(path: string | undefined): RegExp | undefined {
  if (path === undefined) return undefined
  try {
    return new RegExp(path)
  } catch (error) {
    throw new InvalidFaultError(
      `Cannot read the fault: "path" is not a regular expression: ${path}`,
      {
        cause: error,
      },
    )
  }
}

/** Reads a rule from JSON. @throws InvalidFaultError, whose message names the field. */
export function parseRule(input: unknown, id: string): Rule {
  const record = asRecord(input, 'the body')
  const action = oneOf(textOf(record, 'action'), actions, 'action')
  const endless =
    record['times'] === null || (action === 'partition' && record['times'] === undefined)
  const match = parseMatch(record['match'] ?? {})
  patternOf(match.path)
  return {
    id,
    action,
    match,
    times: endless ? null : countOf(record, 'times', 1),
    skip: countOf(record, 'skip', 0),
    delayMs: countOf(record, 'delayMs', action === 'reorder' ? 1_000 : 100),
    status: countOf(record, 'status', 500),
    when: oneOf(textOf(record, 'when') ?? 'before', ['before', 'after'], 'when'),
  }
}

function matches(rule: Live, subject: Subject): boolean {
  const { match } = rule
  if ((match.direction ?? 'request') !== subject.direction) return false
  if (match.method !== undefined && match.method !== subject.method) return false
  if (match.database !== undefined && match.database !== subject.database) return false
  if (match.requestId !== undefined && match.requestId !== subject.requestId) return false
  if (rule.pattern !== undefined && !rule.pattern.test(subject.path)) return false
  return match.contains === undefined || Buffer.from(subject.body).includes(match.contains)
}

/** The rules in force on one server. The first rule that matches decides; a spent rule stays listed with `times: 0`. */
export class Faults {
  readonly #rules: Live[] = []
  #next = 1

  add(input: unknown): Rule {
    if (this.#rules.length >= rulesKept) {
      throw new InvalidFaultError(`Cannot add a fault: ${rulesKept} rules are in force`)
    }
    const rule = parseRule(input, `f${this.#next++}`)
    const live = {
      ...rule,
      left: rule.times ?? Number.POSITIVE_INFINITY,
      toSkip: rule.skip,
      pattern: patternOf(rule.match.path),
    }
    this.#rules.push(live)
    return rule
  }

  list(): readonly Rule[] {
    return this.#rules.map(({ left, toSkip, pattern: _pattern, waiting: _waiting, ...rule }) => ({
      ...rule,
      times: Number.isFinite(left) ? left : null,
      skip: toSkip,
    }))
  }

  clear(): void {
    for (const rule of this.#rules) rule.waiting?.()
    this.#rules.length = 0
  }

  /** The rule that spoils `subject`, counted as used. */
  take(subject: Subject): Rule | undefined {
    for (const rule of this.#rules) {
      if (!matches(rule, subject)) continue
      if (rule.waiting !== undefined) {
        rule.waiting()
        delete rule.waiting
      }
      if (rule.left <= 0) continue
      if (rule.toSkip > 0) {
        rule.toSkip -= 1
        continue
      }
      rule.left -= 1
      return rule
    }
    return undefined
  }

  /** Waits until the next request that matches `rule` arrives, or `delayMs` have passed. */
  async untilNext(rule: Rule): Promise<void> {
    const live = this.#rules.find((each) => each.id === rule.id)
    if (live === undefined) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, rule.delayMs)
      live.waiting = () => {
        clearTimeout(timer)
        // The overtaking request needs a moment to be handled first.
        setTimeout(resolve, 20)
      }
    })
  }

  get idle(): boolean {
    return this.#rules.length === 0
  }
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
