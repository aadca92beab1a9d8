import type { RedisCommand, RedisReply } from '@stoa/kernel'

/** What a process of a protocol asks the world for, one atomic step at a time. */
export type Request =
  | { readonly kind: 'redis'; readonly commands: readonly RedisCommand[] }
  /** Reads the row; a lagging replica may give any version up to the committed one. */
  | { readonly kind: 'read' }
  /** Commits the next version of the row and answers it. */
  | { readonly kind: 'commit' }

export type Answer = readonly RedisReply[] | number

/** A process, written as a generator so that the explorer can stop it between any two steps. */
export type Process = () => Generator<Request, unknown, Answer>

/** What may go wrong, and how often in one life. */
export type Faults = {
  /** A process dies before its next step. */
  readonly crashes?: number
  /** A command takes effect once more, at any later moment. */
  readonly duplicates?: number
  /** The reply of a command is lost behind its effect: the process dies, unless it `retries`. */
  readonly lostReplies?: number
  /** A lease or tombstone is gone before its time. */
  readonly expiries?: number
  /** Reads come from a replica that lags. */
  readonly isLagging?: boolean
}

export type Actor = {
  readonly name: string
  readonly run: Process
  /** Runs again from the start when its reply is lost or it dies: a consumer of a queue. */
  readonly retries?: boolean
}

export type Scenario = {
  readonly actors: readonly Actor[]
  readonly faults: Faults
  /** The version in what a key holds, or `undefined` when it holds no value. */
  readonly valueOf: (raw: string) => number | undefined
  readonly key: string
  /** What the key holds at first. */
  readonly initial?: string
}

export type Verdict = {
  readonly states: number
  /** A shortest history that ends with an old value at rest, or `undefined` when there is none. */
  readonly violation: readonly string[] | undefined
}

type State = {
  readonly keys: Readonly<Record<string, string>>
  readonly version: number
  readonly minds: readonly Mind[]
  readonly sent: readonly RedisCommand[]
  readonly crashes: number
  readonly duplicates: number
  readonly lostReplies: number
  readonly expiries: number
  readonly path: Path | undefined
}

/** What an actor has heard: its whole memory, since processes are deterministic. */
type Mind = {
  readonly id: number
  /** What it asks next; `undefined` when it has ended. */
  readonly asks: Request | undefined
  /** The mind it becomes by an answer. */
  readonly hear: (answer: Answer) => Mind
  /** The mind it becomes when it dies: begun anew where something sees to that, and no second commit. */
  readonly die: () => Mind
}

/** How a state was reached, last step first. */
type Path = {
  readonly who: string
  readonly what: string | Request
  readonly answer: Answer | undefined
  readonly before: Path | undefined
}

/**
 * Visits every state that the actors can reach, in every order of their steps and with every choice of faults.
 * Two lives that come to the same state are one: processes are run again from what they heard, never copied.
 */
export function explore(scenario: Scenario): Verdict {
  const { actors, faults } = scenario
  const seen = new Set<string>()
  let frontier: State[] = [
    {
      keys: scenario.initial === undefined ? {} : { [scenario.key]: scenario.initial },
      version: 1,
      minds: actors.map(newMind),
      sent: [],
      crashes: faults.crashes ?? 0,
      duplicates: faults.duplicates ?? 0,
      lostReplies: faults.lostReplies ?? 0,
      expiries: faults.expiries ?? 0,
      path: undefined,
    },
  ]
  while (frontier.length > 0) {
    const following: State[] = []
    for (const state of frontier) {
      const moves = movesOf(state, scenario)
      if (moves.isAtRest && isStale(state, scenario)) {
        return { states: seen.size, violation: stepsOf(state.path) }
      }
      following.push(...moves.next.filter((next) => isNew(next, seen)))
    }
    frontier = following
  }
  return { states: seen.size, violation: undefined }
}

function isNew(state: State, seen: Set<string>): boolean {
  const mark = markOf(state)
  if (seen.has(mark)) return false
  seen.add(mark)
  return true
}

function stepsOf(path: Path | undefined): readonly string[] {
  if (path === undefined) return []
  const { who, what, answer, before } = path
  const words = typeof what === 'string' ? what : wordsOf(what)
  return [
    ...stepsOf(before),
    `${who}: ${words}${answer === undefined ? '' : ` -> ${String(answer)}`}`,
  ]
}

/** What tells two states apart. */
function markOf(state: State): string {
  const { keys, version, minds, sent, crashes, duplicates, lostReplies, expiries } = state
  const late = duplicates > 0 ? lateOf(sent) : ''
  const ids = minds.map(({ id }) => id).join()
  const budgets = `${crashes},${duplicates},${lostReplies},${expiries}`
  return `${version}|${ids}|${budgets}|${idOf(keys)}|${late}`
}

function lateOf(sent: readonly RedisCommand[]): string {
  return [...new Set(sent.map((command) => idOf(command)))].toSorted((a, b) => a - b).join()
}

const numbers = new Map<string, number>()
const numbered = new WeakMap<object, number>()

/** A number for what `data` says: marks of states are compared a million times. */
function idOf(data: object): number {
  const known = numbered.get(data)
  if (known !== undefined) return known
  const text = JSON.stringify(data)
  const id = numbers.get(text) ?? numbers.size
  numbers.set(text, id)
  numbered.set(data, id)
  return id
}

function isStale(state: State, { key, valueOf }: Scenario): boolean {
  const raw = state.keys[key]
  const value = raw === undefined ? undefined : valueOf(raw)
  return value !== undefined && value !== state.version
}

/** All that have ended are alike. */
const ended: Mind = { id: 0, asks: undefined, hear: () => ended, die: () => ended }

let minds = 0

function newMind(actor: Actor): Mind {
  return mindOf(actor, [])
}

/** The mind of an actor that heard `heard`; `root` is the one that has heard nothing. */
function mindOf(actor: Actor, heard: readonly Answer[], root?: Mind): Mind {
  const running = actor.run()
  let step = running.next()
  for (const answer of heard) step = running.next(answer)
  if (step.done === true) return ended
  minds += 1
  const next = new Map<string, Mind>()
  const mind: Mind = {
    id: minds,
    asks: step.value,
    hear: (answer) => {
      const mark = JSON.stringify(answer)
      const known = next.get(mark) ?? mindOf(actor, [...heard, answer], root ?? mind)
      next.set(mark, known)
      return known
    },
    die: () => {
      if (actor.retries !== true) return ended
      const [committed] = heard
      const anew = root ?? mind
      return committed === undefined ? anew : anew.hear(committed)
    },
  }
  return mind
}

function movesOf(state: State, scenario: Scenario) {
  const { actors, faults } = scenario
  const next: State[] = []
  let isAtRest = true
  for (const [at, actor] of actors.entries()) {
    const mind = state.minds[at] ?? ended
    const request = mind.asks
    if (request === undefined) continue
    isAtRest = false
    for (const [answer, after] of effects(state, request, faults)) {
      const path = { who: actor.name, what: request, answer, before: state.path }
      next.push({ ...after, path, minds: state.minds.with(at, mind.hear(answer)) })
      if (state.lostReplies > 0 && request.kind === 'redis') {
        const lost = { who: actor.name, what: 'its reply is lost', answer: undefined, before: path }
        const lostReplies = state.lostReplies - 1
        next.push({ ...after, path: lost, lostReplies, minds: state.minds.with(at, mind.die()) })
      }
    }
    if (state.crashes > 0) {
      const path = { who: actor.name, what: 'dies', answer: undefined, before: state.path }
      const crashes = state.crashes - 1
      next.push({ ...state, path, crashes, minds: state.minds.with(at, mind.die()) })
    }
  }
  next.push(...weather(state, scenario))
  return { next, isAtRest }
}

/** What happens without any actor: a copy of a command arrives, a lease or tombstone is gone early. */
function weather(state: State, { key }: Scenario): State[] {
  const next: State[] = []
  if (state.duplicates > 0) {
    for (const command of state.sent) {
      const { keys } = execute(state.keys, command)
      const path = { who: 'again', what: command.join(' '), answer: undefined, before: state.path }
      next.push({ ...state, keys, duplicates: state.duplicates - 1, path })
    }
  }
  const raw = state.keys[key]
  if (state.expiries > 0 && raw !== undefined && /^[LT]:/.test(raw)) {
    const { [key]: _gone, ...keys } = state.keys
    const path = { who: 'gone early', what: raw, answer: undefined, before: state.path }
    next.push({ ...state, keys, expiries: state.expiries - 1, path })
  }
  return next
}

function effects(state: State, request: Request, faults: Faults): [Answer, State][] {
  switch (request.kind) {
    case 'commit':
      return [[state.version + 1, { ...state, version: state.version + 1 }]]
    case 'read': {
      const oldest = faults.isLagging === true ? 1 : state.version
      const versions = Array.from({ length: state.version - oldest + 1 }, (_, n) => oldest + n)
      return versions.map((version) => [version, state])
    }
    case 'redis': {
      let { keys, sent } = state
      const replies: RedisReply[] = []
      for (const command of request.commands) {
        const done = execute(keys, command)
        keys = done.keys
        replies.push(done.reply)
        const writes = command[0] !== 'GET' && command[0] !== 'MGET'
        if (writes && state.duplicates > 0) sent = [...sent, command]
      }
      return [[replies, { ...state, keys, sent }]]
    }
  }
}

function wordsOf(request: Request): string {
  return request.kind === 'redis'
    ? request.commands.map((command) => command.join(' ')).join('; ')
    : request.kind
}

type Keys = Readonly<Record<string, string>>

/** The part of Redis that protocols here use, without time. */
function execute(keys: Keys, command: RedisCommand): { keys: Keys; reply: RedisReply } {
  const [name, at = '', value = '', ...words] = command
  const key = String(at)
  const old = keys[key]
  switch (String(name)) {
    case 'GET':
      return { keys, reply: old ?? null }
    case 'MGET':
      return { keys, reply: [old ?? null] }
    case 'DEL': {
      const { [key]: _gone, ...others } = keys
      return { keys: others, reply: old === undefined ? 0 : 1 }
    }
    case 'SET': {
      const compares = words.indexOf('IFEQ')
      if (words[0] === 'NX' && old !== undefined) return { keys, reply: null }
      if (compares >= 0 && old !== words[compares + 1]) return { keys, reply: null }
      return { keys: { ...keys, [key]: String(value) }, reply: 'OK' }
    }
    default:
      throw new Error(`The explorer knows no ${name}`)
  }
}
