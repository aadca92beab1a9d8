import { isFault, parseId } from '@stoa/kernel'

import { InvalidCursorError } from './endpoint.ts'

/** Where the next page goes on, as a text without a meaning to its reader. */
export function cursorOf(id: string): string {
  return btoa(id).replaceAll('=', '')
}

/** The id in a cursor. @throws InvalidCursorError when no page can have given it. */
export function readCursor(cursor: string): string {
  try {
    const id = parseId(atob(cursor))
    if (cursorOf(id) === cursor) return id
  } catch (error) {
    if (!isFault(error) && !(error instanceof DOMException)) throw error
  }
  throw new InvalidCursorError()
}
