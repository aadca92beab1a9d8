import { Fault } from './fault.ts'
import { parseSlot } from './slot.ts'

/** What a shard may say about a slot, or a piece of one; the first two may be written. */
export const slotStates = ['serving', 'migrating', 'importing', 'frozen', 'handed_off'] as const
export type SlotState = (typeof slotStates)[number]

/**
 * `unknown`: the shard has no row for the slot. `clone`: it is not the copy the router believes. `unfenced`: its schema
 * changed and the triggers that guard its rows have not been made anew.
 */
export type FencedState = SlotState | 'unknown' | 'clone' | 'unfenced'

/** The shard's own word about a key, as it travels inside an error message. */
export type Fence = {
  /** The key that was asked for: a slot's text, or a longer one. */
  readonly key: string
  /** The slot of the key. */
  readonly slot: number
  /** The epoch at which the shard holds its word; 0 when it has none. */
  readonly epoch: number
  readonly state: FencedState
  /** The shard to ask instead; only a `handed_off` slot has one for sure. */
  readonly peer: string | undefined
}

const fencedStates = [...slotStates, 'unknown', 'clone', 'unfenced'] as const

const token = /SHARD_FENCED\|(([0-9A-F][0-9A-HJKMNP-TV-Z]{2})[^|]*)\|(\d+)\|([a-z_]+)\|([\w.-]*)/

/** The fence in an error message, wherever in it; `undefined` when there is none. Codes differ between servers, so only this token counts. */
export function parseFence(message: string): Fence | undefined {
  const found = token.exec(message)
  if (!found) return undefined
  const [, key = '', slot = '', epoch = '', state = '', peer = ''] = found
  const known = fencedStates.find((one) => one === state)
  if (!known) return undefined
  return { key, slot: parseSlot(slot), epoch: Number(epoch), state: known, peer: peer || undefined }
}

/** The shard does not own the slot at the epoch the caller believed. Nothing was written. */
export class ShardFencedError extends Fault {
  override readonly name = 'ShardFencedError'
  override readonly code = 'shard_fenced'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly shard: string
  readonly key: string
  readonly slot: number
  readonly epoch: number
  readonly state: FencedState
  readonly peer: string | undefined

  constructor(shard: string, fence: Fence, options?: ErrorOptions) {
    super(`Cannot write slot ${fence.slot} in shard "${shard}": it is ${fence.state}`, options)
    this.shard = shard
    this.key = fence.key
    this.slot = fence.slot
    this.epoch = fence.epoch
    this.state = fence.state
    this.peer = fence.peer
  }
}
