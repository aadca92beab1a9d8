import { HttpFault } from '@stoa/http'
import { parseId } from '@stoa/kernel'

import type { Page } from '../domain/ports.ts'

type Query = { readonly limit: number; readonly cursor?: string | undefined }

/** The key in a cursor: an id or a time key, both of which are spelled as an id. @throws HttpFault `invalid_request` */
function keyOf(cursor: string, isTimeKey: boolean): string {
  try {
    const key = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'))
    // A time key ends with the five characters that an id begins with.
    parseId(isTimeKey ? key.slice(15) + key.slice(0, 15) : key)
    return key
  } catch (cause) {
    const pointed = { pointer: '#/query/cursor', detail: 'must be as a page gave it' }
    throw new HttpFault(
      'invalid_request',
      'Cannot take the request: #/query/cursor must be as a page gave it',
      { cause, errors: [pointed] },
    )
  }
}

/** What to ask a store for: one item more than is shown tells whether there is another page. */
export function readPage(
  { limit, cursor }: Query,
  { key = 'id' }: { readonly key?: 'id' | 'time' } = {},
): Page {
  const after = cursor === undefined ? undefined : keyOf(cursor, key === 'time')
  return { limit: limit + 1, after }
}

/** A page of what a store gave for {@link readPage}; `next` is absent on the last one. */
export function pageOf<T, U>(
  items: readonly T[],
  limit: number,
  { key, present }: { readonly key: (item: T) => string; readonly present: (item: T) => U },
): { items: U[]; next?: string } {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  const page = { items: shown.map(present) }
  if (items.length <= limit || last === undefined) return page
  const next = btoa(key(last)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  return { ...page, next }
}
