import { Fault } from '@stoa/kernel'

export type Post = {
  readonly id: string
  readonly author: string
  readonly text: string
  readonly createdAt: number
}

/** How long a post may be, in graphemes: characters as a reader counts them. */
const graphemesMax = 500

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Whether `text` has more graphemes than a post may have. */
export function isTooLong(text: string): boolean {
  // A grapheme is at least one UTF-16 unit, so most texts need no counting.
  return text.length > graphemesMax && [...graphemes.segment(text)].length > graphemesMax
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
