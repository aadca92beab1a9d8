import { formatCursor, readCursor } from '@stoa/http'
import { timeKey } from '@stoa/kernel'

import type { Page } from '../domain/ports.ts'

type Query = { readonly limit: number; readonly cursor?: string | undefined }

/** What to ask a store for: one item more than is shown tells whether there is another page. */
export function readPage(
  { limit, cursor }: Query,
  { by = 'id' }: { readonly by?: 'id' | 'time' } = {},
): Page {
  const id = cursor === undefined ? undefined : readCursor(cursor)
  const after = id !== undefined && by === 'time' ? timeKey(id) : id
  return { limit: limit + 1, after }
}

/** A page of what a store gave for {@link readPage}; `next` is absent on the last one. */
export function pageOf<T, U>(
  items: readonly T[],
  limit: number,
  { idOf, present }: { readonly idOf: (item: T) => string; readonly present: (item: T) => U },
): { items: U[]; next?: string } {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  const page = { items: shown.map(present) }
  if (items.length <= limit || last === undefined) return page
  return { ...page, next: formatCursor(idOf(last)) }
}
