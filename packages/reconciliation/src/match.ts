import { compareValues } from '@stoa/sharding'

import type { Entry } from './entry.ts'
import { UnsortedSideError } from './unsorted-side.ts'

/** What all sides say about one key: a list for each side, in the order of the sides, empty where it is not known. */
export type Group = { readonly key: string; readonly entries: readonly (readonly Entry[])[] }

/** Keys are handed on in pages of so many: a wait for each key would cost more than the comparison. */
const groupsMax = 500
/** Of more entries under one key on one side the rest is dropped: it is a break of duplicates all the same. */
const entriesMax = 100

/** A stream of pages, read entry by entry. */
class Cursor {
  readonly #pages: AsyncIterator<readonly Entry[]>
  #page: readonly Entry[] = []
  #next = 0
  #last = ''
  #isEnded = false

  constructor(pages: AsyncIterable<readonly Entry[]>) {
    this.#pages = pages[Symbol.asyncIterator]()
  }

  get head(): Entry | undefined {
    return this.#page[this.#next]
  }

  /** There may be more, and it is not here yet. */
  get isDry(): boolean {
    return this.#next === this.#page.length && !this.#isEnded
  }

  async fill(): Promise<void> {
    while (this.isDry) {
      const next = await this.#pages.next()
      this.#isEnded = next.done === true
      this.#page = next.done === true ? [] : next.value
      this.#next = 0
    }
  }

  step(): void {
    const key = this.head?.key ?? ''
    if (compareValues(key, this.#last) < 0) throw new UnsortedSideError(key, this.#last)
    this.#last = key
    this.#next += 1
  }

  async close(): Promise<void> {
    if (!this.#isEnded) await this.#pages.return?.()
  }
}

async function takeAll(cursor: Cursor, key: string): Promise<readonly Entry[]> {
  const taken: Entry[] = []
  for (;;) {
    if (cursor.isDry) await cursor.fill()
    const { head } = cursor
    if (head?.key !== key) return taken
    if (taken.length < entriesMax) taken.push(head)
    cursor.step()
  }
}

const none: readonly Entry[] = []

/** Takes what `cursor` has of `key` without waiting, in the common case of one entry with more of the page behind it. */
function takeOne(cursor: Cursor, key: string): readonly Entry[] | undefined {
  const { head } = cursor
  if (head?.key !== key) return none
  cursor.step()
  if (!cursor.isDry && cursor.head?.key !== key) return [head]
  return undefined
}

async function takeGroup(cursors: readonly Cursor[], key: string): Promise<Group> {
  const entries: (readonly Entry[])[] = []
  for (const cursor of cursors) {
    const { head } = cursor
    const one = takeOne(cursor, key)
    if (one !== undefined) entries.push(one)
    else entries.push([...(head === undefined ? [] : [head]), ...(await takeAll(cursor, key))])
  }
  return { key, entries }
}

function leastKey(cursors: readonly Cursor[]): string | undefined {
  let least: string | undefined
  for (const { head } of cursors) {
    if (head === undefined) continue
    if (least === undefined || (head.key !== least && compareValues(head.key, least) < 0))
      least = head.key
  }
  return least
}

async function fillAll(cursors: readonly Cursor[]): Promise<void> {
  for (const cursor of cursors) if (cursor.isDry) await cursor.fill()
}

/**
 * Joins sorted streams by key, all keys of all sides, in pages of at most 500 keys. Holds one page of each stream: O(n)
 * time, memory that does not grow with n. A key beyond 100 entries on a side loses the rest of them.
 *
 * @throws UnsortedSideError when keys of a stream do not ascend.
 */
export async function* matchSides(
  streams: readonly AsyncIterable<readonly Entry[]>[],
): AsyncGenerator<readonly Group[]> {
  const cursors = streams.map((stream) => new Cursor(stream))
  try {
    let groups: Group[] = []
    for (;;) {
      await fillAll(cursors)
      const key = leastKey(cursors)
      if (key === undefined) break
      groups.push(await takeGroup(cursors, key))
      if (groups.length < groupsMax) continue
      yield groups
      groups = []
    }
    if (groups.length > 0) yield groups
  } finally {
    for (const cursor of cursors) await cursor.close()
  }
}
