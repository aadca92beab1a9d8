import { Fault } from '@stoa/kernel'

/** The two databases cannot be primary and replica as they are. Nothing was changed. */
export class ReplicaMismatchError extends Fault {
  override readonly name = 'ReplicaMismatchError'
  override readonly code = 'replica_mismatch'
  override readonly kind = 'failed_precondition'
  readonly replica: string
  constructor(replica: string, why: string) {
    super(`Cannot feed replica "${replica}": ${why}`)
    this.replica = replica
  }
}
