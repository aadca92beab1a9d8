import type { RedisCommand, RedisReply } from '@stoa/kernel'

import { type Entry, encodeEntry, parseStored } from '../src/entry.ts'
import {
  bury,
  claim,
  fill,
  type Lease,
  look,
  release,
  type Steps,
  type Terms,
} from '../src/lease.ts'
import type { Actor, Answer, Process, Request } from './explorer.ts'

export const key = 'k'

type Run = Generator<Request, void, Answer>

/** Asks Redis for one command. */
function* redis(...command: RedisCommand): Generator<Request, RedisReply, Answer> {
  const [reply = null] = yield* pipeline([command])
  return reply
}

function* pipeline(
  commands: readonly RedisCommand[],
): Generator<Request, readonly RedisReply[], Answer> {
  const replies = yield { kind: 'redis', commands }
  return typeof replies === 'number' ? [] : replies
}

function* readRow(): Generator<Request, number, Answer> {
  return Number(yield { kind: 'read' })
}

function* commitRow(): Generator<Request, number, Answer> {
  return Number(yield { kind: 'commit' })
}

/** Runs a protocol of the package; `isApart` lets others come between any two commands of a pipeline. */
function* play<T>(steps: Steps<T>, isApart: boolean): Generator<Request, T, Answer> {
  let step = steps.next()
  while (step.done !== true) {
    if (isApart) {
      const replies: RedisReply[] = []
      for (const command of step.value) replies.push(yield* redis(...command))
      step = steps.next(replies)
    } else step = steps.next(yield* pipeline(step.value))
  }
  return step.value
}

function terms(nonce: string, isLate = false): Terms {
  // A clock that runs ahead takes every lease for expired.
  return { nonce, now: isLate ? 10_000 : 0, leaseMs: 1_000, tombstoneMs: 60_000 }
}

export function entry(nonce: string, version: number, isVersioned: boolean): Entry {
  return {
    nonce,
    version: isVersioned ? version : undefined,
    freshUntil: 1_000_000,
    staleUntil: 1_000_000,
    loadMs: 1,
    tags: {},
    isNegative: false,
    body: String(version),
  }
}

/** The version in an entry, or in a plain value of a protocol that has no entries. */
export function valueOf(raw: string): number | undefined {
  if (/^\d+$/.test(raw)) return Number(raw)
  const stored = parseStored(raw)
  return stored.kind === 'entry' ? Number(stored.entry.body) : undefined
}

/** The safeguards of the protocol, each of which a mutant lacks. */
export type Safeguards = {
  /** The fill is a compare-and-set on the lease. */
  readonly fillCompares: boolean
  /** The lease is taken before the row is read. */
  readonly leaseFirst: boolean
  /** A value below the version of the tombstone is not filled in. */
  readonly versionChecked: boolean
  /** A lease keeps the version of the tombstone that it replaces. */
  readonly leaseKeepsVersion: boolean
  /** An invalidation never lowers a version. */
  readonly monotone: boolean
  /** An invalidation ends the lease of a load that began before. */
  readonly endsLeases: boolean
  /** No two leases are the same text. */
  readonly uniqueLeases: boolean
  /** No two tombstones are the same text. */
  readonly uniqueTombstones: boolean
  /** An invalidation leaves a tombstone where there was nothing. */
  readonly buriesAbsent: boolean
}

export const all: Safeguards = {
  fillCompares: true,
  leaseFirst: true,
  versionChecked: true,
  leaseKeepsVersion: true,
  monotone: true,
  endsLeases: true,
  uniqueLeases: true,
  uniqueTombstones: true,
  buriesAbsent: true,
}

export type Form = {
  readonly isVersioned: boolean
  readonly isEager: boolean
  /** Whether others may come between two commands of a pipeline. */
  readonly isApart: boolean
  /** The reader takes over leases and renews entries, as one whose clock runs ahead. */
  readonly isLate?: boolean
  readonly without?: keyof Safeguards
}

/** A reader as `fetch.ts` runs it: look, claim, load, fill; or renew an entry, which then is its own lease. */
export function reader(name: string, form: Form): Actor {
  return { name, run: () => readThrough(name, form) }
}

function guardsOf({ without }: Form): Safeguards {
  return { ...all, ...(without === undefined ? {} : { [without]: false }) }
}

function* readThrough(name: string, form: Form): Run {
  const guards = guardsOf(form)
  const termsFor = (step: string) => terms(guards.uniqueLeases ? name + step : name, form.isLate)
  const early = guards.leaseFirst ? undefined : yield* readRow()
  const first = termsFor('a')
  const seen = yield* play(look(key, first, { beside: [], isEager: form.isEager }), form.isApart)
  let { lease } = seen
  if (lease === undefined) {
    const { stored } = seen
    if (stored.kind === 'entry') {
      if (form.isLate !== true) return
      lease = { key, raw: stored.raw, min: stored.entry.version ?? 0, isRenewal: true }
    } else {
      if (stored.kind === 'lease' && stored.until > first.now) return
      lease = (yield* play(claim(key, stored, termsFor('b')), form.isApart)).lease
    }
  }
  if (lease === undefined) return
  const version = early ?? (yield* readRow())
  yield* fillIn(lease, entry(name, version, form.isVersioned), { own: first, guards, form })
}

function* fillIn(
  lease: Lease,
  value: Entry,
  { own, guards, form }: { readonly own: Terms; readonly guards: Safeguards; readonly form: Form },
): Run {
  if (!guards.fillCompares) {
    yield* redis('SET', key, encodeEntry(value))
    return
  }
  const min = guards.versionChecked && guards.leaseKeepsVersion ? lease.min : 0
  yield* play(fill({ ...lease, min }, value, own), form.isApart)
}

/** A reader whose load fails, and who gives the lease back. */
export function failingReader(name: string, form: Form): Actor {
  return {
    name,
    run: function* run(): Run {
      const own = terms(`${name}a`)
      const seen = yield* play(look(key, own, { beside: [], isEager: form.isEager }), form.isApart)
      const claimed =
        seen.lease === undefined && seen.stored.kind !== 'entry'
          ? yield* play(claim(key, seen.stored, terms(`${name}b`)), form.isApart)
          : seen
      if (claimed.lease !== undefined) yield* play(release(claimed.lease, own), form.isApart)
    },
  }
}

/** A writer: commits, then invalidates, and is run again when it dies or hears nothing. */
export function writer(name: string, form: Form): Actor {
  const guards = guardsOf(form)
  return {
    name,
    retries: true,
    run: function* run(): Run {
      const version = yield* commitRow()
      const own = terms(guards.uniqueTombstones ? name : 'same')
      const least = form.isVersioned ? version : undefined
      if (!guards.monotone) {
        yield* redis('SET', key, `T:${version}:${own.nonce}`)
        return
      }
      const isCopy = !guards.buriesAbsent
      if (guards.endsLeases) {
        yield* play(bury(key, { version: least, isCopy }, own), form.isApart)
        return
      }
      const stored = parseStored(yield* redis('GET', key))
      if (stored.kind !== 'lease')
        yield* play(bury(key, { version: least, isCopy }, own), form.isApart)
    },
  }
}

/** The protocols that caches use elsewhere, each with a way to leave an old value at rest. */
export const knownBad: Readonly<Record<string, { reader: Process; writer: Process }>> = {
  'DEL, then SET': {
    *reader() {
      if ((yield* redis('GET', key)) !== null) return
      yield* redis('SET', key, yield* readRow())
    },
    *writer() {
      yield* commitRow()
      yield* redis('DEL', key)
    },
  },
  'delayed double delete': {
    *reader() {
      if ((yield* redis('GET', key)) !== null) return
      yield* redis('SET', key, yield* readRow())
    },
    *writer() {
      yield* redis('DEL', key)
      yield* commitRow()
      yield* redis('DEL', key)
      yield* redis('DEL', key)
    },
  },
  'the writer SETs': {
    *reader() {
      yield* redis('GET', key)
    },
    *writer() {
      yield* redis('SET', key, yield* commitRow())
    },
  },
  'fill with NX': {
    *reader() {
      if ((yield* redis('GET', key)) !== null) return
      yield* redis('SET', key, yield* readRow(), 'NX')
    },
    *writer() {
      yield* commitRow()
      yield* redis('DEL', key)
    },
  },
  'a lock beside the key': {
    *reader() {
      if ((yield* redis('GET', key)) !== null) return
      if ((yield* redis('SET', 'lock', 1, 'NX')) !== 'OK') return
      yield* redis('SET', key, yield* readRow())
      yield* redis('DEL', 'lock')
    },
    *writer() {
      yield* commitRow()
      yield* redis('DEL', key)
    },
  },
}
