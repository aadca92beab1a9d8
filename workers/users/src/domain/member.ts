import { Fault } from '@stoa/kernel'

export type Member = {
  readonly id: string
  readonly handle: string
  readonly email: string
  readonly name: string
  readonly createdAt: number
}

/** What anybody may read of a member. */
export type Profile = Omit<Member, 'email'>

export class MemberNotFoundError extends Fault {
  override readonly name = 'MemberNotFoundError'
  override readonly code = 'member_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the member: there is none')
  }
}

export class HandleTakenError extends Fault {
  override readonly name = 'HandleTakenError'
  override readonly code = 'handle_taken'
  override readonly kind = 'already_exists'

  constructor(handle: string) {
    super(`Cannot register "${handle}": the handle is taken`)
  }
}

export class EmailTakenError extends Fault {
  override readonly name = 'EmailTakenError'
  override readonly code = 'email_taken'
  override readonly kind = 'already_exists'

  constructor() {
    super('Cannot register: the e-mail address is taken')
  }
}
