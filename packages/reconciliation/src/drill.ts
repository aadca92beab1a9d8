import type { Clock } from '@stoa/kernel'

import type { Comparison } from './comparison.ts'
import { type Scenario, type Said, scenarios } from './drill-scenarios.ts'
import { type Entry, keysetPages, type Side, type Span } from './entry.ts'
import type { Action, BreakClass } from './finding.ts'
import type { RepairOrder } from './repairer.ts'

export type DrillOptions = {
  /** Records without a break, over all comparisons. */
  readonly clean: number
  /** Breaks of each class. */
  readonly perClass: number
  /** Records in each comparison that look broken and are not: under way, not yet in a side that lags, within a tolerance. */
  readonly noise: number
  /** To stand at 02:00 UTC when the drill begins: the last statement closed at midnight. */
  readonly clock: Clock
}

/** A break that was put in, and what is to become of it. */
export type Injected = {
  readonly comparison: string
  readonly class: BreakClass
  readonly key: string
  /** Repaired without a person; seen to pass by itself within half a minute, or in the next statement; or left to a person. */
  readonly end: 'repaired' | 'passes' | 'review'
}

/** Records with breaks of every class among them, and hands that mend what they are told to. */
export type Drill = {
  readonly comparisons: readonly Comparison[]
  readonly injected: readonly Injected[]
  /** Every effect that a repair has had, with its time: one for each idempotency key. */
  readonly effects: readonly { readonly order: RepairOrder; readonly at: number }[]
  repair(order: RepairOrder): Promise<void>
}

const dayMs = 86_400_000
/** What only a person may do: said here once more, so that a policy that forgets it is found out. */
const byHand: ReadonlySet<Action> = new Set(['investigate', 'adjust', 'suspend', 'carry_over'])
/** How long the effect of a repair takes to be seen. */
const effectMs = 240_000
const settleMs = 300_000
/** How far a side that lags is behind, and what of it is not in it yet. */
const lagMs = 1_800_000
const missingMs = 1_200_000
/** When what was under way has arrived, and when what passes by itself has passed. */
const arrivedMs = 600_000
const passedMs = 30_000

type Kind =
  | { readonly is: 'near' | 'young' | 'behind' }
  | {
      readonly is: 'break'
      readonly said: (n: number) => Said
      readonly injected: Injected
      readonly passesAt: number
    }

/** Breaks and noise of a scenario, to be spread over its records. */
function kindsOf(scenario: Scenario, { perClass, noise, clock }: DrillOptions) {
  const now = clock.now()
  const nextMidnight = now - (now % dayMs) + dayMs
  const kinds: ((key: string) => Kind)[] = []
  for (const [name, variants] of Object.entries(scenario.breaks)) {
    for (let n = 0; n < perClass; n += 1) {
      const chosen = variants[n % variants.length]
      if (chosen === undefined) continue
      const isCut = name === 'cut_off'
      // A twentieth of what would be repaired mends itself first.
      const passes = isCut || (!byHand.has(chosen.action) && n % 20 === 19)
      const end = passes ? 'passes' : byHand.has(chosen.action) ? 'review' : 'repaired'
      const passesAt = isCut ? nextMidnight : passes ? now + passedMs : Infinity
      kinds.push((key) => ({
        is: 'break',
        said: chosen.said,
        injected: { comparison: scenario.name, class: name as BreakClass, key, end },
        passesAt,
      }))
    }
  }
  for (let n = 0; n < noise; n += 1)
    for (const is of ['near', 'young', 'behind'] as const) kinds.push(() => ({ is }))
  return kinds
}

function keyOf(n: number): string {
  return n.toString().padStart(9, '0')
}

/** The records of one scenario: made when they are read, so that a million of them take no room. */
class Records {
  readonly injected: Injected[] = []
  readonly #scenario: Scenario
  readonly #clock: Clock
  readonly #beganAt: number
  readonly #midnight: number
  readonly #kinds: readonly Kind[]
  readonly #stride: number
  readonly #count: number
  readonly #mended = new Map<string, number>()

  constructor(scenario: Scenario, clean: number, options: DrillOptions) {
    this.#scenario = scenario
    this.#clock = options.clock
    this.#beganAt = options.clock.now()
    this.#midnight = this.#beganAt - (this.#beganAt % dayMs)
    const kinds = kindsOf(scenario, options)
    this.#count = clean + kinds.length
    this.#stride = Math.max(1, Math.floor(this.#count / Math.max(1, kinds.length)))
    this.#kinds = kinds.map((make, n) => make(keyOf(n * this.#stride)))
    for (const kind of this.#kinds) if (kind.is === 'break') this.injected.push(kind.injected)
  }

  mend(key: string): void {
    this.#mended.set(key, this.#clock.now() + effectMs)
  }

  #entries(n: number, side: number): readonly Entry[] {
    const key = keyOf(n)
    const kind = n % this.#stride === 0 ? this.#kinds[n / this.#stride] : undefined
    const said = this.#saidOf(n, kind, key)
    return (said.said[side] ?? []).map(({ fields, at = 0 }) => ({ key, fields, at: said.at + at }))
  }

  #saidOf(n: number, kind: Kind | undefined, key: string): { said: Said; at: number } {
    const { clean, near, behind } = this.#scenario
    const noon = this.#midnight - dayMs / 2
    const mendedAt = this.#mended.get(key)
    if (mendedAt !== undefined && mendedAt <= this.#clock.now())
      return { said: clean(n), at: mendedAt }
    if (kind === undefined) return { said: clean(n), at: noon }
    if (kind.is === 'near') return { said: near(n), at: noon }
    const now = this.#clock.now()
    if (kind.is === 'break')
      return { said: now < kind.passesAt ? kind.said(n) : clean(n), at: noon }
    const hasArrived = now >= this.#beganAt + arrivedMs
    const at =
      kind.is === 'young' ? this.#behindAt(this.#beganAt) - 1_000 : this.#beganAt - missingMs
    const missing = kind.is === 'young' ? 1 : behind.side
    const all = clean(0)
    return { said: hasArrived ? all : all.map((side, s) => (s === missing ? [] : side)), at }
  }

  /** How far the side that is behind has come. */
  #behindAt(now: number): number {
    return this.#scenario.behind.byDays ? now - (now % dayMs) : now - lagMs
  }

  #side(name: string, side: number): Side {
    const { behind } = this.#scenario
    const page = async ({ from, to }: Span, limit: number): Promise<readonly Entry[]> => {
      const entries: Entry[] = []
      for (let n = from === '' ? 0 : Number.parseInt(from, 10); n < this.#count; n += 1) {
        if (keyOf(n) >= to || entries.length >= limit) break
        if (keyOf(n) >= from) entries.push(...this.#entries(n, side))
      }
      return entries.slice(0, limit)
    }
    return {
      name,
      watermark: async () => {
        const now = this.#clock.now()
        if (behind.side !== side) return now
        return this.#behindAt(now)
      },
      read: (span) => keysetPages(span, page),
    }
  }

  comparison(): Comparison {
    const { name, sides, judge } = this.#scenario
    return { name, judge, settleMs, sides: sides.map((side, n) => this.#side(side, n)) }
  }
}

/** Breaks of all classes among clean records, to prove on your own machine that each is found and none is imagined. */
export function drillBreaks(options: DrillOptions): Drill {
  const share = Math.ceil(options.clean / scenarios.length)
  const all = new Map(
    scenarios.map((scenario) => [scenario.name, new Records(scenario, share, options)]),
  )
  const injected = [...all.values()].flatMap((records) => records.injected)
  const homes = new Map(injected.map((each) => [`${each.class} ${each.key}`, each.comparison]))
  const effects: { readonly order: RepairOrder; readonly at: number }[] = []
  const known = new Set<string>()
  return {
    comparisons: [...all.values()].map((records) => records.comparison()),
    injected,
    effects,
    repair: async (order) => {
      if (known.has(order.idempotencyKey)) return
      known.add(order.idempotencyKey)
      effects.push({ order, at: options.clock.now() })
      all.get(homes.get(`${order.class} ${order.key}`) ?? '')?.mend(order.key)
    },
  }
}
