import { Fault, idFromTimeKey, isFault, timeKey } from '@stoa/kernel'

/** A cursor was not made by this list. */
class InvalidCursorError extends Fault {
  override readonly name = 'InvalidCursorError'
  override readonly code = 'invalid_cursor'
  override readonly kind = 'invalid_argument'

  constructor(options?: ErrorOptions) {
    super('Cannot go on with the list: the cursor is none that it gave', options)
  }
}

/** The cursor after `product`: its time key, as opaque text. */
export function cursorAfter(product: string): string {
  return btoa(timeKey(product)).replaceAll('=', '')
}

/** The time key in a cursor. Base64 of Crockford digits needs none of the letters in which base64url differs. */
export function readCursor(cursor: string): string {
  try {
    const key = atob(cursor)
    if (cursorAfter(idFromTimeKey(key)) === cursor) return key
  } catch (error) {
    if (isFault(error) || error instanceof DOMException) {
      throw new InvalidCursorError({ cause: error })
    }
    throw error
  }
  throw new InvalidCursorError()
}
