import { slotOfBoard } from './buffer.ts'
import { type BoardDelta, type Flush, flushTime, type SeenHashes } from './flush.ts'
import type { Kind, Kinds, Metric } from './kind.ts'
import { mergeSummaries } from './space-saving.ts'
import { bucketOf, slotOf } from './subject.ts'

/** How many items a board keeps: an item above 1/256 of all that was heard is always listed. */
export const boardSize = 256

/** Sums by object id, one for each metric of the kind. */
export type Sums = Map<string, number[]>

/** What is added to one object, one delta for each metric of the kind. */
type ObjectDelta = {
  readonly kind: string
  readonly id: string
  readonly deltas: readonly number[]
}

/** What one flush does to one bucket: it is applied whole, with the row that says so, or not at all. */
export type Part = {
  readonly bucket: number
  readonly flush: string
  /** All slots that it touches, some of them twice. */
  readonly slots: number[]
  readonly counts: ObjectDelta[]
  /** `kind|metric|width|start|id`, and what is added. */
  readonly windows: (readonly [key: string, by: number])[]
  readonly boards: BoardDelta[]
}

/** Why a flush cannot be applied: it is kept aside whole. */
export type Refused = { readonly reason: string }

/** Where each delta of `metrics` goes among the metrics of `kind`, or the name of one that is unknown. */
function columnsOf(kind: Kind, metrics: readonly string[]): readonly number[] | string {
  const columns = metrics.map((name) => kind.metrics.findIndex((metric) => metric.name === name))
  const unknown = columns.indexOf(-1)
  return unknown < 0 ? columns : (metrics[unknown] ?? '')
}

export function boardOf(kind: Kind, metric: string): string {
  return `${kind.name}.${metric}`
}

/** Start of the window of `width` milliseconds in which `time` lies. */
export function windowStart(time: number, width: number): number {
  return time - (time % width)
}

/** Metrics that are counted elsewhere too, with their place. */
type Echo = Metric & { readonly index: number }

class Parts {
  readonly byBucket = new Map<number, Part>()
  readonly #flush: string
  readonly #time: number
  /** What the objects of the flush bring to their boards. */
  readonly #boards = new Map<string, Map<string, number>>()

  constructor(flush: string) {
    this.#flush = flush
    this.#time = flushTime(flush) ?? 0
  }

  #at(slot: number): Part {
    const bucket = bucketOf(slot)
    let part = this.byBucket.get(bucket)
    if (part === undefined) {
      part = { bucket, flush: this.#flush, slots: [], counts: [], windows: [], boards: [] }
      this.byBucket.set(bucket, part)
    }
    part.slots.push(slot)
    return part
  }

  addCounts(delta: ObjectDelta, echoes: readonly Echo[]): void {
    const part = this.#at(slotOf(delta.id))
    part.counts.push(delta)
    for (const { index, name, windowsMs = [], boardMs } of echoes) {
      const by = delta.deltas[index] ?? 0
      if (by === 0) continue
      for (const width of windowsMs) {
        const start = windowStart(this.#time, width)
        part.windows.push([`${delta.kind}|${name}|${width}|${start}|${delta.id}`, by])
      }
      if (boardMs === undefined || by < 0) continue
      const key = `${delta.kind}.${name}|${windowStart(this.#time, boardMs)}`
      const items = this.#boards.get(key) ?? new Map<string, number>()
      this.#boards.set(key, items.set(delta.id, (items.get(delta.id) ?? 0) + by))
    }
  }

  addBoard(delta: BoardDelta): void {
    this.#at(slotOfBoard(delta.board)).boards.push(delta)
  }

  finish(): readonly Part[] {
    for (const [key, items] of this.#boards) {
      const [board = '', start] = key.split('|')
      const exact = [...items].map(([item, by]) => [item, by, 0] as const)
      this.addBoard({ board, start: Number(start), summary: { floor: 0, items: exact } })
    }
    return [...this.byBucket.values()]
  }
}

/** `flush` by bucket; refused whole when it names what this version does not know. */
export function partsOf(flush: Flush, kinds: Kinds): readonly Part[] | Refused {
  const parts = new Parts(flush.id)
  for (const { kind: name, metrics, flat } of flush.counts) {
    const kind = kinds.all.find((one) => one.name === name)
    if (kind === undefined) return { reason: `kind "${name}" is unknown` }
    const columns = columnsOf(kind, metrics)
    if (typeof columns === 'string') return { reason: `metric "${name}.${columns}" is unknown` }
    const echoes = kind.metrics
      .map((metric, index) => ({ ...metric, index }))
      .filter(({ windowsMs, boardMs }) => windowsMs !== undefined || boardMs !== undefined)
    const stride = metrics.length + 1
    for (let at = 0; at < flat.length; at += stride) {
      const deltas = kind.metrics.map(() => 0)
      for (const [index, column] of columns.entries()) deltas[column] = Number(flat[at + 1 + index])
      parts.addCounts({ kind: name, id: String(flat[at]), deltas }, echoes)
    }
  }
  for (const board of flush.boards) parts.addBoard(board)
  return parts.finish()
}

/** What several parts do together: one statement's worth for each table. */
export type Effects = {
  readonly parts: readonly Part[]
  readonly counts: ReadonlyMap<string, Sums>
  readonly windows: ReadonlyMap<string, number>
  readonly boards: readonly BoardDelta[]
}

function addInto(sums: Sums, id: string, deltas: readonly number[]): void {
  const known = sums.get(id)
  if (known === undefined) sums.set(id, [...deltas])
  else
    for (let at = 0; at < deltas.length; at += 1) known[at] = (known[at] ?? 0) + (deltas[at] ?? 0)
}

/** Items of a batch that are merged without loss; the board is cut in the database. */
const boardMergeMax = 65_536

function mergeBoards(boards: readonly BoardDelta[]): readonly BoardDelta[] {
  const byKey = Map.groupBy(boards, ({ board, start }) => `${board}|${start}`)
  return [...byKey.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const summaries = [first, ...others].map(({ summary }) => summary)
    return [{ ...first, summary: mergeSummaries(summaries, boardMergeMax) }]
  })
}

export function effectsOf(parts: readonly Part[]): Effects {
  const counts = new Map<string, Sums>()
  const windows = new Map<string, number>()
  for (const part of parts) {
    for (const { kind, id, deltas } of part.counts) {
      const all = counts.get(kind) ?? new Map<string, number[]>()
      counts.set(kind, all)
      addInto(all, id, deltas)
    }
    for (const [key, by] of part.windows) windows.set(key, (windows.get(key) ?? 0) + by)
  }
  return { parts, counts, windows, boards: mergeBoards(parts.flatMap(({ boards }) => boards)) }
}

/** Who was seen where, over several flushes: a union, so that nothing is counted twice. */
export function seenOf(flushes: readonly Flush[]): readonly SeenHashes[] {
  const byKey = new Map<string, { of: SeenHashes; hashes: Set<number> }>()
  for (const seen of flushes.flatMap((flush) => flush.seen)) {
    const key = `${seen.id}|${seen.metric}|${seen.period}`
    const known = byKey.get(key) ?? { of: seen, hashes: new Set() }
    for (const hash of seen.hashes) known.hashes.add(hash)
    byKey.set(key, known)
  }
  return [...byKey.values()].map(({ of, hashes }) => ({ ...of, hashes: [...hashes] }))
}
