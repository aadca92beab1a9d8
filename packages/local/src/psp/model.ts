/** What a payment service provider did to a payment, or was asked to and refused. Never changed, only followed by others. */
export type PspOperation = {
  readonly ref: string
  /** The idempotency key it was asked under; a name of its own when nobody asked, as with a chargeback. */
  readonly key: string
  /** What the caller calls it. */
  readonly name: string
  readonly kind: 'authorise' | 'capture' | 'void' | 'refund' | 'chargeback'
  readonly state: 'succeeded' | 'failed' | 'action_required'
  /** Minor units. */
  readonly amountMinor: number
  /** Why it failed. */
  readonly code?: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** One payment as the provider keeps it, whole: its answers and its callbacks say it again each time. */
export type PspPayment = {
  readonly ref: string
  readonly key: string
  readonly amountMinor: number
  readonly currency: string
  readonly token: string
  /** Money is taken at once, not only promised. */
  readonly captureAtOnce: boolean
  /** The caller's own words, given back with everything. */
  readonly metadata: Readonly<Record<string, string>>
  readonly callbackUrl: string | undefined
  readonly operations: readonly PspOperation[]
  readonly createdAt: number
}

/** What was asked cannot be done; nothing was changed. `status` is HTTP's. */
export class PspRefusal extends Error {
  override readonly name = 'PspRefusal'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** What is left of a payment: sums of its operations. */
export type PspTotals = {
  readonly authorised: number
  readonly captured: number
  readonly voided: number
  readonly refunded: number
  readonly chargedBack: number
}

export function totalsOf({ operations }: PspPayment): PspTotals {
  const sum = (kind: PspOperation['kind']) =>
    operations
      .filter((each) => each.kind === kind && each.state === 'succeeded')
      .reduce((total, each) => total + each.amountMinor, 0)
  return {
    authorised: sum('authorise'),
    captured: sum('capture'),
    voided: sum('void'),
    refunded: sum('refund'),
    chargedBack: sum('chargeback'),
  }
}
