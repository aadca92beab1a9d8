/** An event as its merchant may ask for it. */
export type MerchantEvent = {
  /** Given without gaps, in the order in which they were written. */
  readonly seq: number
  readonly type: string
  /** What a webhook sends of it. */
  readonly payload: string
}

export type NewMerchantEvent = {
  readonly member: string
  readonly type: string
  readonly eventId: string
  readonly payload: string
  readonly at: number
}
