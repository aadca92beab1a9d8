import { Fault } from '@stoa/kernel'

export type Reply = {
  readonly id: string
  readonly post: string
  readonly author: string
  readonly text: string
  readonly createdAt: number
  /** What replies are ordered by, unique. */
  readonly timeKey: string
}

export class ReplyTooLongError extends Fault {
  override readonly name = 'ReplyTooLongError'
  override readonly code = 'reply_too_long'
  override readonly kind = 'invalid_argument'

  constructor() {
    super('Cannot write the reply: it has more characters than a post may have')
  }
}

export class ReplyNotFoundError extends Fault {
  override readonly name = 'ReplyNotFoundError'
  override readonly code = 'reply_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the reply: the post has no such')
  }
}
