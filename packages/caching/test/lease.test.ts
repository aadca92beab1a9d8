import { describe, expect, test } from 'vitest'

import { encodeEntry } from '../src/entry.ts'
import { type Actor, explore, type Faults, type Verdict } from './explorer.ts'
import {
  all,
  entry,
  failingReader,
  type Form,
  key,
  knownBad,
  reader,
  type Safeguards,
  valueOf,
  writer,
} from './protocols.ts'

const filled = encodeEntry(entry('old', 1, true))
const filledPlain = encodeEntry(entry('old', 1, false))

function check(actors: readonly Actor[], faults: Faults, initial?: string): Verdict {
  return explore({
    actors,
    faults,
    valueOf,
    key,
    ...(initial === undefined ? {} : { initial }),
  })
}

function actorsOf(readers: number, writers: number, form: Form): Actor[] {
  return [
    ...[reader('r1', form), reader('r2', { ...form, isLate: true })].slice(0, readers),
    ...[writer('w1', form), writer('w2', form)].slice(0, writers),
  ]
}

const faultsOf: readonly [string, Faults][] = [
  ['when a process dies', { crashes: 1 }],
  ['when a reply is lost', { lostReplies: 1 }],
  ['when a command comes twice, however late', { duplicates: 1 }],
  ['when a lease or tombstone is gone before its time', { expiries: 1 }],
]

describe.each([
  { isVersioned: true, isEager: true },
  { isVersioned: true, isEager: false },
  { isVersioned: false, isEager: true },
  { isVersioned: false, isEager: false },
])(
  'the lease in the key, versioned $isVersioned, eager $isEager, leaves no old value',
  { timeout: 60_000 },
  (form) => {
    const initial = form.isVersioned ? filled : filledPlain

    test('in any order of two readers and two writers, between any two commands', () => {
      for (const at of [undefined, initial]) {
        const { states, violation } = check(actorsOf(2, 2, { ...form, isApart: true }), {}, at)
        expect(violation).toBeUndefined()
        expect(states).toBeGreaterThan(500)
      }
    })

    test.each(faultsOf)(
      '%s: two readers, two writers, between any two pipelines',
      (_name, faults) => {
        const actors = actorsOf(2, 2, { ...form, isApart: false })
        expect(check(actors, faults).violation).toBeUndefined()
      },
    )

    test.each(faultsOf)('%s, between any two commands', (_name, faults) => {
      for (const [readers, writers] of [
        [2, 1],
        [1, 2],
      ] as const) {
        const actors = actorsOf(readers, writers, { ...form, isApart: true })
        expect(check(actors, faults).violation).toBeUndefined()
        expect(check(actors, faults, initial).violation).toBeUndefined()
      }
    })

    test('when a load fails and its lease is given back', () => {
      const whole = { ...form, isApart: false }
      const actors = [failingReader('f1', whole), ...actorsOf(1, 2, whole)]
      expect(check(actors, { lostReplies: 1 }).violation).toBeUndefined()
    })
  },
)

describe('versions', { timeout: 60_000 }, () => {
  const form = { isVersioned: true, isEager: true, isApart: false }

  test.each<[string, Faults]>([
    ['in any order', { isLagging: true }],
    ['when a process dies', { isLagging: true, crashes: 1 }],
    ['when a reply is lost', { isLagging: true, lostReplies: 1 }],
    ['when a command comes twice', { isLagging: true, duplicates: 1 }],
  ])('keep loads from a lagging replica out, %s', (_name, faults) => {
    for (const at of [undefined, filled]) {
      expect(check(actorsOf(2, 2, form), faults, at).violation).toBeUndefined()
    }
  })

  test('cannot keep a lagging replica out once the tombstone is gone: it must outlive the lag', () => {
    expect(check(actorsOf(2, 2, form), { isLagging: true, expiries: 1 }).violation).toBeDefined()
  })

  test('are what keeps a lagging replica out', () => {
    const { violation } = check(actorsOf(2, 2, { ...form, isVersioned: false }), {
      isLagging: true,
    })
    expect(violation).toBeDefined()
  })
})

describe('the known protocol', { timeout: 60_000 }, () => {
  test.each(Object.keys(knownBad))('%s leaves an old value', (name) => {
    const protocol = knownBad[name]
    if (protocol === undefined) throw new Error(`There is no protocol ${name}`)
    const actors = [
      { name: 'r1', run: protocol.reader },
      { name: 'r2', run: protocol.reader },
      { name: 'w1', run: protocol.writer },
      { name: 'w2', run: protocol.writer },
    ]

    expect(check(actors, {}).violation).toBeDefined()
  })
})

describe('the check notices a protocol without', { timeout: 60_000 }, () => {
  const unversioned = { isVersioned: false, isApart: true }
  const versioned = { isVersioned: true, isApart: true }
  const isLagging = true
  const tombstone = 'T:0:same.0'
  const mutants: readonly Mutant[] = [
    { without: 'fillCompares', form: unversioned, actors: [1, 1] },
    { without: 'leaseFirst', form: unversioned, actors: [1, 1] },
    { without: 'versionChecked', form: versioned, actors: [1, 1], faults: { isLagging } },
    { without: 'leaseKeepsVersion', form: versioned, actors: [1, 1], faults: { isLagging } },
    { without: 'monotone', form: versioned, actors: [1, 2], faults: { isLagging } },
    { without: 'endsLeases', form: unversioned, actors: [1, 1] },
    { without: 'uniqueLeases', form: unversioned, actors: [2, 1], faults: { duplicates: 1 } },
    {
      without: 'uniqueTombstones',
      form: unversioned,
      actors: [1, 1],
      faults: { duplicates: 1 },
      initial: tombstone,
    },
    { without: 'buriesAbsent', form: versioned, actors: [1, 1], faults: { isLagging } },
  ]

  test.each(mutants)('$without', ({ without, form, actors, faults = {}, initial }) => {
    const violations = [true, false].map((isEager) => {
      const whole = actorsOf(actors[0], actors[1], { ...form, isEager })
      expect(check(whole, faults, initial).violation).toBeUndefined()
      const mutant = actorsOf(actors[0], actors[1], { ...form, isEager, without })
      return check(mutant, faults, initial).violation
    })

    expect(violations.filter((violation) => violation !== undefined)).not.toEqual([])
  })

  test('and each safeguard has its mutant', () => {
    expect(mutants.map(({ without }) => without).toSorted()).toEqual(Object.keys(all).toSorted())
  })
})

type Mutant = {
  readonly without: keyof Safeguards
  readonly form: Omit<Form, 'isEager'>
  /** Readers and writers. */
  readonly actors: readonly [number, number]
  readonly faults?: Faults
  readonly initial?: string
}
