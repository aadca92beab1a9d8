import { UnknownMetricError } from './faults.ts'

/** What is promised of a kind's counters; see the README for the guarantee and the loss window of each. */
export type Mode = 'best-effort' | 'eventual' | 'accurate'

export type Metric = {
  readonly name: string
  /** May go down, as likes do. A total below zero, which increments out of order may show, reads as 0. */
  readonly signed?: boolean
  /** Widths of the windows in which it is also counted, in milliseconds; see `series`. */
  readonly windowsMs?: readonly number[]
  /** Width of the windows in which a leaderboard of its objects is kept, in milliseconds; see `top`. */
  readonly boardMs?: number
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
   * How many cold pages a bucket of 64 slots is spread over: 1, 2, 4, … 64, for ever; absent: nothing is frozen. A page of 1,000 objects with four
   * metrics takes some 12 kB.
   */
  readonly pagesPerBucket?: number
}

const nameForm = /^[a-z][a-z0-9_]{0,23}$/
const metricsMax = 16
/** Columns and tables of the package's own. */
const reserved = new Set(['slot', 'hi', 'lo', 'applied', 'bucket', 'page', 'thaw', 'dead'])
const reservedMore = new Set(['unique', 'window', 'top', 'drift'])

/**
 * `kind`, checked.
 *
 * @throws RangeError for a name that cannot be one of SQL, no metrics or too many, the same twice, or a page count that
 *   is no power of two up to 64.
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
  for (const { windowsMs = [], boardMs = 1 } of kind.metrics) {
    if ([...windowsMs, boardMs].some((width) => !Number.isSafeInteger(width) || width < 1))
      throw new RangeError(`Cannot define kind "${kind.name}": a window needs a width`)
  }
  return kind
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
