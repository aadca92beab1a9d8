import { Fault, isFault, parseId } from '@stoa/kernel'

/** The cursor is none that a page gave. */
export class InvalidCursorError extends Fault {
  override readonly name = 'InvalidCursorError'
  override readonly code = 'invalid_cursor'
  override readonly kind = 'invalid_argument'

  constructor(options?: ErrorOptions) {
    super('Cannot read the cursor: it must be the `next` of a page', options)
  }
}

/** The last id of a page, as text that says nothing to its reader and is safe in a URL. */
export function formatCursor(id: string): string {
  return btoa(id).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @throws InvalidCursorError for everything that {@link formatCursor} does not give. */
export function readCursor(text: string): string {
  try {
    const id = parseId(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
    if (formatCursor(id) === text) return id
  } catch (error) {
    if (!isFault(error) && !(error instanceof DOMException)) throw error
    throw new InvalidCursorError({ cause: error })
  }
  throw new InvalidCursorError()
}
