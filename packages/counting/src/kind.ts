import { UnknownMetricError } from './faults.ts'
import { checkKept } from './retention.ts'

/** What is promised of a kind's counters; see the README for the guarantee and the loss window of each. */
export type Mode = 'best-effort' | 'eventual' | 'accurate'

export type Metric = {
  readonly name: string
  /** May go down, as likes do. A total below zero, which increments out of order may show, reads as 0. */
  readonly signed?: boolean
  /** Widths of the windows in which it is also counted, in milliseconds; see `series`. */
  readonly windowsMs?: readonly number[]
  /**
   * How long each of them is kept after its end, in milliseconds, two days at least. Default: 90 days for windows below
   * a day, two years for others.
   */
  readonly windowsKeptMs?: readonly number[]
  /** Width of the windows in which a leaderboard of its objects is kept, in milliseconds; see `top`. */
  readonly boardMs?: number
  /** How long a leaderboard is kept after its window, in milliseconds, two days at least. Default: 90 days. */
  readonly boardKeptMs?: number
}

/** What objects of one sort are counted by. Metrics may be added; none may be renamed or taken away. */
export type Kind = {
  /** Names its table: 1 to 24 of `a-z`, `0-9` and `_`, from a letter. */
  readonly name: string
  readonly mode: Mode
  /** 1 to 16; the order is that of the columns. */
  readonly metrics: readonly Metric[]
  /** What distinct members are counted by: `viewers`. */
  readonly uniques?: readonly string[]
  /**
   * How long it is kept who was seen in a period, from its start, in milliseconds, two days at least; what is counted for
   * ever stays. Default: 90 days.
   */
  readonly uniquesKeptMs?: number
  /**
   * How many cold pages a bucket of 64 slots is spread over: 1, 2, 4, … 64, for ever; absent: nothing is frozen. A page of 1,000 objects with four
   * metrics takes some 12 kB.
   */
  readonly pagesPerBucket?: number
  /** How old an object is before it may be frozen, in milliseconds. Default: 30 days. */
  readonly freezeAfterMs?: number
}

/** A leaderboard of texts, such as search terms; boards of objects come with their metric. */
export type Board = {
  readonly name: string
  readonly windowMs: number
  /** How long it is kept after its window, in milliseconds, two days at least. Default: 90 days. */
  readonly keptMs?: number
}

const nameForm = /^[a-z][a-z0-9_]{0,23}$/
const metricsMax = 16
/** Columns and tables of the package's own. */
const reserved = new Set(['slot', 'id', 'applied', 'bucket', 'page', 'thaw', 'dead'])
const reservedMore = new Set(['unique', 'window', 'top', 'drift', 'sweep'])

/**
 * `kind`, checked.
 *
 * @throws RangeError for a name that cannot be one of SQL, no metrics or too many, the same twice, a page count that is
 *   no power of two up to 64, a window without a width, or anything that is kept for less than two days.
 */
export function defineKind(kind: Kind): Kind {
  const names = [kind.name, ...kind.metrics.map(({ name }) => name)]
  for (const name of names) {
    if (!nameForm.test(name) || reserved.has(name) || reservedMore.has(name))
      throw new RangeError(`Cannot name a kind or metric "${name}"`)
  }
  if (kind.metrics.length === 0 || kind.metrics.length > metricsMax)
    throw new RangeError(`Cannot count ${kind.metrics.length} metrics: 1 to ${metricsMax}`)
  if (new Set(names.slice(1)).size < kind.metrics.length)
    throw new RangeError(`Cannot define kind "${kind.name}": a metric is named twice`)
  if (![1, 2, 4, 8, 16, 32, 64].includes(kind.pagesPerBucket ?? 1))
    throw new RangeError(`Cannot spread a bucket over ${kind.pagesPerBucket} pages`)
  checkTimes(kind)
  return kind
}

function checkTimes(kind: Kind): void {
  checkKept(kind.name, kind.uniquesKeptMs)
  for (const { name, windowsMs = [], windowsKeptMs, boardMs = 1, boardKeptMs } of kind.metrics) {
    if ([...windowsMs, boardMs].some((width) => !Number.isSafeInteger(width) || width < 1))
      throw new RangeError(`Cannot define kind "${kind.name}": a window needs a width`)
    if (windowsKeptMs !== undefined && windowsKeptMs.length !== windowsMs.length)
      throw new RangeError(`Cannot define kind "${kind.name}": each window is kept its own time`)
    for (const keptMs of [...(windowsKeptMs ?? []), boardKeptMs])
      checkKept(`${kind.name}.${name}`, keptMs)
  }
}

/** Kinds by name. */
export type Kinds = {
  readonly all: readonly Kind[]
  /** @throws UnknownMetricError */
  get(name: string): Kind
}

/** @throws RangeError when two kinds have one name; and as {@link defineKind}. */
export function kindsOf(list: readonly Kind[]): Kinds {
  const byName = new Map(list.map((kind) => [kind.name, defineKind(kind)]))
  if (byName.size < list.length) throw new RangeError('Cannot define kinds: one is named twice')
  return {
    all: list,
    get: (name) => {
      const kind = byName.get(name)
      if (kind === undefined) throw new UnknownMetricError(name)
      return kind
    },
  }
}

/** Where `metric` stands among the metrics of `kind`. @throws UnknownMetricError */
export function metricIndex(kind: Kind, metric: string): number {
  const index = kind.metrics.findIndex(({ name }) => name === metric)
  if (index < 0) throw new UnknownMetricError(`${kind.name}.${metric}`)
  return index
}
