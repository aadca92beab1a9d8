import { slotOfText } from '@stoa/kernel'

import { DeltaTable } from './delta-table.ts'
import { BufferFullError } from './faults.ts'
import type { BoardDelta, Flush, SeenHashes } from './flush.ts'
import type { Kind } from './kind.ts'
import { SpaceSaving } from './space-saving.ts'
import type { Handle } from './subject.ts'

/** How many items of a board one isolate tells apart between two flushes. */
const boardItems = 256

type Seen = { readonly of: Omit<SeenHashes, 'hashes'>; readonly hashes: Set<number> }
type Heard = { readonly board: string; readonly start: number; readonly items: SpaceSaving }

/** What one isolate has counted for one log and not yet frozen. Bounded: at `objectsMax` it takes nothing more. */
export class CountBuffer {
  readonly #log: string
  readonly #objectsMax: number
  readonly #tables = new Map<string, { readonly kind: Kind; readonly table: DeltaTable }>()
  readonly #seen = new Map<string, Seen>()
  readonly #heard = new Map<string, Heard>()
  #others = 0
  /** When the oldest increment came, in milliseconds since 1970; `undefined` while empty. */
  since: number | undefined

  constructor(log: string, objectsMax: number) {
    this.#log = log
    this.#objectsMax = objectsMax
  }

  /** Distinct counters, roughly: objects, members seen, items heard. */
  get size(): number {
    let size = this.#others
    for (const { table } of this.#tables.values()) size += table.size
    return size
  }

  #tableOf(kind: Kind): DeltaTable {
    const known = this.#tables.get(kind.name)
    if (known !== undefined) return known.table
    const table = new DeltaTable(kind.metrics.map(({ name }) => name))
    this.#tables.set(kind.name, { kind, table })
    return table
  }

  /** @throws BufferFullError; nothing was counted. */
  #room(): void {
    if (this.size >= this.#objectsMax) throw new BufferFullError(this.#log)
  }

  count(kind: Kind, object: string | Handle, deltas: readonly (readonly [number, number])[]): void {
    this.#room()
    this.#tableOf(kind).addAll(object, deltas)
  }

  see(of: Omit<SeenHashes, 'hashes'>, hash: number): void {
    this.#room()
    const key = `${of.id}|${of.metric}|${of.period}`
    const seen = this.#seen.get(key) ?? { of, hashes: new Set() }
    const before = seen.hashes.size
    seen.hashes.add(hash)
    this.#seen.set(key, seen)
    this.#others += seen.hashes.size - before
  }

  hear(
    board: string,
    start: number,
    { item, by }: { readonly item: string; readonly by: number },
  ): void {
    this.#room()
    const key = `${board}|${start}`
    let heard = this.#heard.get(key)
    if (heard === undefined) {
      heard = { board, start, items: new SpaceSaving(boardItems) }
      this.#heard.set(key, heard)
      this.#others += boardItems
    }
    heard.items.add(item, by)
  }

  /** All of it. */
  freeze(): Omit<Flush, 'id'> {
    const counts = [...this.#tables.values()].map(({ kind, table }) => ({
      kind: kind.name,
      metrics: kind.metrics.map(({ name }) => name),
      flat: [...table.entries()].flatMap(([object, deltas]) => [object, ...deltas]),
    }))
    const seen = [...this.#seen.values()].map(({ of, hashes }) => ({ ...of, hashes: [...hashes] }))
    const boards = [...this.#heard.values()].map(({ board, start, items }): BoardDelta => ({
      board,
      start,
      summary: items.summary(),
    }))
    return { counts: counts.filter(({ flat }) => flat.length > 0), seen, boards }
  }
}

/** Where a board's rows lie. */
export function slotOfBoard(board: string): number {
  return slotOfText(board)
}
