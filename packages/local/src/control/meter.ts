/** What a request can cost, in the units the vendors bill or the design budgets. */
export const unitNames = [
  'roundTrips',
  'statements',
  'rowsRead',
  'rowsWritten',
  'commands',
  'messages',
] as const

export type Unit = (typeof unitNames)[number]
export type Counts = Readonly<Record<Unit, number>>

/** The running cost of one request. */
export type Tally = {
  add(unit: Unit, n?: number): void
  readonly counts: Counts
}

/** One round trip as the server saw it: when it arrived, how long the answer took, what it cost. */
export type Span = {
  readonly path: string
  readonly database?: string
  readonly startMs: number
  readonly endMs: number
  readonly counts: Counts
}

/** How many request ids are remembered; the oldest are forgotten first, the totals never. */
const requestsKept = 10_000
/** How many spans one request id keeps: beyond it only the counts grow. */
const spansKept = 200

type Entry = { counts: Record<Unit, number>; spans: Span[] }

export function zeroCounts(): Record<Unit, number> {
  return { roundTrips: 0, statements: 0, rowsRead: 0, rowsWritten: 0, commands: 0, messages: 0 }
}

export function newTally(): Tally {
  const counts = zeroCounts()
  return {
    counts,
    add: (unit, n = 1) => {
      counts[unit] += n
    },
  }
}

function addInto(target: Record<Unit, number>, counts: Counts): void {
  for (const unit of unitNames) target[unit] += counts[unit]
}

/** Counts what one server did: in all, by database, and by the caller's `x-request-id`. */
export class Meter {
  #totals = zeroCounts()
  readonly #byDatabase = new Map<string, Record<Unit, number>>()
  readonly #byRequest = new Map<string, Entry>()

  record(requestId: string | undefined, span: Span): void {
    addInto(this.#totals, span.counts)
    if (span.database !== undefined) {
      const database = this.#byDatabase.get(span.database) ?? zeroCounts()
      addInto(database, span.counts)
      this.#byDatabase.set(span.database, database)
    }
    if (requestId !== undefined) this.#recordRequest(requestId, span)
  }

  #recordRequest(requestId: string, span: Span): void {
    const entry = this.#byRequest.get(requestId) ?? { counts: zeroCounts(), spans: [] }
    addInto(entry.counts, span.counts)
    if (entry.spans.length < spansKept) entry.spans.push(span)
    this.#byRequest.set(requestId, entry)
    if (this.#byRequest.size <= requestsKept) return
    const oldest = this.#byRequest.keys().next()
    if (!oldest.done) this.#byRequest.delete(oldest.value)
  }

  /** Everything since the last reset. Request ids only by name, or the answer would grow without bound. */
  report(): {
    totals: Counts
    databases: Readonly<Record<string, Counts>>
    requestIds: number
  } {
    return {
      totals: { ...this.#totals },
      databases: Object.fromEntries(this.#byDatabase),
      requestIds: this.#byRequest.size,
    }
  }

  /** What one request id cost, with its spans, by which the longest chain can be told from the sum. */
  ofRequest(requestId: string): { counts: Counts; spans: readonly Span[] } {
    return this.#byRequest.get(requestId) ?? { counts: zeroCounts(), spans: [] }
  }

  reset(): void {
    this.#totals = zeroCounts()
    this.#byDatabase.clear()
    this.#byRequest.clear()
  }
}
