import { Fault } from '@stoa/kernel'

export type Counts = {
  readonly posts: number
  readonly followers: number
  readonly following: number
}

/** There is no such member, or the registration has not arrived here yet. */
export class MemberNotFoundError extends Fault {
  override readonly name = 'MemberNotFoundError'
  override readonly code = 'member_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the member: there is none')
  }
}

export class CannotFollowSelfError extends Fault {
  override readonly name = 'CannotFollowSelfError'
  override readonly code = 'cannot_follow_self'
  override readonly kind = 'invalid_argument'

  constructor() {
    super('Cannot follow: it is you')
  }
}
