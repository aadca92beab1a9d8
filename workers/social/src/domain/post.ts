import { Fault } from '@stoa/kernel'

export type Post = {
  readonly id: string
  readonly author: string
  readonly text: string
  readonly createdAt: number
}

/** How long a post may be, in graphemes: characters as a reader counts them. */
export const graphemesMax = 500

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Whether `text` has more graphemes than a post may have. Stops counting there. */
export function isTooLong(text: string): boolean {
  // A grapheme is at least one UTF-16 unit, so most texts need no counting.
  if (text.length <= graphemesMax) return false
  let count = 0
  for (const _grapheme of graphemes.segment(text)) {
    count += 1
    if (count > graphemesMax) return true
  }
  return false
}

export class PostTooLongError extends Fault {
  override readonly name = 'PostTooLongError'
  override readonly code = 'post_too_long'
  override readonly kind = 'invalid_argument'

  constructor() {
    super(`Cannot write the post: it has more than ${graphemesMax} characters`)
  }
}

export class PostNotFoundError extends Fault {
  override readonly name = 'PostNotFoundError'
  override readonly code = 'post_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the post: there is none')
  }
}
