import { type Ids, isFault, type Random, slotText } from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import type { MoveScope } from '../src/index.ts'
import { createStore, type Cursor, type Store, type StoreFlaws } from './oracle-store.ts'
import {
  chanceOf,
  contentOf,
  type Keyspace,
  type Layout,
  livedIn,
  openKeyspace,
} from './oracle-world.ts'
import { call } from './world.ts'

/** A safeguard of the many databases taken away; the one database keeps its own. */
export type OracleMutant = {
  readonly says: string
  readonly flaws?: StoreFlaws
  readonly rewrite?: NonNullable<Layout['rewrite']>
  readonly route?: (router: Router) => Router
}

export type OracleLife = {
  readonly operations: number
  /** How often each operation was done. */
  readonly done: Readonly<Record<string, number>>
  /** How the moves ended. */
  readonly moves: Readonly<Record<string, number>>
  /** Where the many databases and the one did not say the same. */
  readonly differences: readonly string[]
}

/** Handles that are wanted more than once, and labels whose order differs between UTF-8 and UTF-16. */
const handles = [
  'ada',
  'bo',
  'cy',
  'dee',
  'eli',
  'fay',
  'gus',
  'hal',
  'ivy',
  'jo',
  'kai',
  'lu',
] as const
const labels = [
  '',
  'a',
  'B',
  'b',
  'ä',
  '\uffee',
  '\u{1f600}',
  '\ue000',
  '\u{10000}x',
  'zz',
] as const
/** By how their ids go on behind the slot, and where the next one's begin. */
const owners = [
  ['00', '01'],
  ['0G', '0H'],
  ['ZY', 'ZZ'],
] as const

/** What is known to be there, and what to do with it next. */
class Plot {
  readonly #random: Random
  readonly #ids: Ids
  readonly #things: string[] = []
  readonly #entries: string[] = []
  /** Where each walk through pages is: the next page goes on there, whatever has changed meanwhile. */
  readonly #cursors = new Map<string, Cursor | undefined>()

  constructor(seed: number) {
    const { random, ids } = chanceOf(seed)
    this.#random = random
    this.#ids = ids
  }

  #pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.#random.uint32() % items.length] ?? items[0]
  }

  #some(items: readonly string[]): string | undefined {
    return items[this.#random.uint32() % items.length]
  }

  next(): Operation {
    const thing = this.#some(this.#things)
    if (thing === undefined || this.#random.uint32() % 9 === 0) return this.#create()
    return this.#random.uint32() % 2 === 0 ? this.#read() : this.#write(thing)
  }

  #create(): Operation {
    const id = this.#ids.rootAt(
      slotText(this.#pick(livedIn)) + this.#pick<readonly [string, string]>(owners)[0],
    )
    const handle = this.#pick(handles)
    return {
      name: 'create',
      run: (store) => store.create(id, handle),
      learn: (answer) => {
        if (answer === `of ${id}`) this.#things.push(id)
      },
    }
  }

  #write(thing: string): Operation {
    const label = this.#pick(labels)
    const id = this.#ids.child(thing)
    const enter: Operation = {
      name: 'enter',
      run: (store) => store.enter(thing, id, label),
      learn: (answer) => {
        if (answer === 'done') this.#entries.push(id)
      },
    }
    const entry = this.#some(this.#entries)
    if (entry === undefined) return enter
    return this.#pick<Operation>([
      enter,
      enter,
      { name: 'raise', run: (store) => store.raise(thing) },
      { name: 'relabel', run: (store) => store.relabel(entry, label) },
      {
        name: 'remove',
        run: (store) => store.remove(entry),
        learn: () => this.#entries.splice(this.#entries.indexOf(entry), 1),
      },
    ])
  }

  #read(): Operation {
    const handle = this.#pick(handles)
    const wanted = [this.#some(this.#things), this.#some(this.#things)].flatMap((id) => id ?? [])
    const slot = this.#pick(livedIn)
    const limit = 1 + (this.#random.uint32() % 6)
    return this.#pick<Operation>([
      { name: 'find', run: (store) => store.find(handle) },
      { name: 'versions', run: (store) => store.versions(wanted) },
      this.#walk(`entries of ${slot}`, (store, after) => store.entriesOf(slot, after, limit)),
      this.#walk('busiest', (store, after) => store.busiest(after, limit)),
      this.#walk('labelled', (store, after) => store.labelled(after, limit)),
    ])
  }

  /** The next page of a walk; behind its last page it begins again. */
  #walk(
    name: string,
    page: (store: Store, after: Cursor | undefined) => Promise<readonly Cursor[]>,
  ): Operation {
    const after = this.#cursors.get(name)
    return {
      name,
      run: (store) => page(store, after),
      learn: (answer) => this.#cursors.set(name, (answer as readonly Cursor[]).at(-1)?.slice(0, 2)),
    }
  }
}

type Operation = {
  readonly name: string
  readonly run: (store: Store) => Promise<unknown>
  /** Takes note of what the one database answered. */
  readonly learn?: (answer: unknown) => void
}

/** Moves keys between the databases until `isOver`, and ends what it began. */
async function moveAround(
  { mover: create, sourceOf, databases, shapes }: Keyspace,
  random: Random,
  isOver: () => boolean,
): Promise<Readonly<Record<string, number>>> {
  const ends: Record<string, number> = {}
  const mover = create()
  const below = (count: number) => random.uint32() % count
  const scopeOf = (slot: number): MoveScope => {
    const kind = below(3)
    // A slot alone, all of a half at once, or all keys of one owner.
    if (kind === 0) return { kind: 'slots', slots: [slot] }
    if (kind === 1)
      return { kind: 'slots', slots: livedIn.filter((each) => each > 8_191 === slot > 8_191) }
    const [from, to] = owners[below(owners.length)] ?? owners[0]
    const begin = slotText(slot)
    return { kind: 'range', lo: begin + from, hi: begin + to }
  }
  for (let number = 1; !isOver(); number += 1) {
    const id = `move-${number}`
    const slot = livedIn[below(livedIn.length)] ?? 0
    const source = await sourceOf(slot)
    const others = databases.map(({ name }) => name).filter((name) => name !== source)
    const target = others[below(others.length)] ?? source
    const hold = below(3) === 0
    try {
      const request = { id, keyspace: 'things', scope: scopeOf(slot), source, target, shapes, hold }
      await mover.start(request, call)
      if (below(6) === 0) await mover.abort(id, call)
      let move = await mover.run(id, call)
      if (move.phase === 'holding') {
        await mover[below(2) === 0 ? 'reverse' : 'complete'](id, call)
        move = await mover.run(id, call)
      }
      ends[move.phase] = (ends[move.phase] ?? 0) + 1
    } catch (error) {
      // Of a half that is already parted no single database can give everything away.
      if (!isFault(error)) throw error
      ends[error.code] = (ends[error.code] ?? 0) + 1
    }
  }
  return ends
}

/** The same operations on three databases, among which keys move all the time, and on one. */
export async function liveTwice(
  seed: number,
  { operations: most, mutant }: { readonly operations: number; readonly mutant?: OracleMutant },
): Promise<OracleLife> {
  const { random } = chanceOf(seed * 7_919)
  const { rewrite, route = (same: Router) => same, flaws } = mutant ?? {}
  const many = await openKeyspace({
    names: ['a', 'b', 'c'],
    owners: 2,
    random,
    ...(rewrite && { rewrite }),
  })
  const one = await openKeyspace({ names: ['one'], owners: 1, random })
  const stores = { many: createStore(route(many.router), flaws), one: createStore(one.router) }
  const plot = new Plot(seed)
  const differences: string[] = []
  const done: Record<string, number> = {}
  let isOver = false
  let operations = 0
  const operate = async (): Promise<void> => {
    for (; operations < most && differences.length === 0; operations += 1) {
      const { name, run, learn } = plot.next()
      const [expected, found] = [await run(stores.one), await outcomeOf(() => run(stores.many))]
      done[name] = (done[name] ?? 0) + 1
      learn?.(expected)
      const words = [JSON.stringify(found), JSON.stringify(expected)]
      if (words[0] !== words[1]) differences.push(`${name}: ${words.join(' instead of ')}`)
    }
    isOver = true
  }
  try {
    const [moves] = await Promise.all([moveAround(many, random, () => isOver), operate()])
    const [found, expected] = [await contentOf(many), await contentOf(one)]
    for (const [table, rows] of Object.entries(expected))
      if (JSON.stringify(found[table]) !== JSON.stringify(rows))
        differences.push(`the rows of ${table} at the end`)
    return { operations, done, moves, differences }
  } finally {
    many.close()
    one.close()
  }
}

/** A failure is an answer, too: the one database never gives it. */
async function outcomeOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    return `failed: ${error instanceof Error ? error.message : String(error)}`
  }
}
