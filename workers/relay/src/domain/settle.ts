import type { Call } from '@stoa/kernel'

/** How long a move may stand still where keys can be frozen before the relay takes it up, in milliseconds. */
export const abandonedMs = 10_000

/** The most moves that one tick takes up. */
export const settledMax = 20

export type SettleDeps = {
  /** Moves that stand since `before` at a point where their keys may be frozen; the oldest first. */
  readonly abandoned: (before: number, call: Call) => Promise<readonly string[]>
  /** Does what is next for a move. @see Mover.advance */
  readonly advance: (id: string, call: Call) => Promise<unknown>
  readonly report: (error: unknown, requestId: string) => void
}

/**
 * Goes on with moves whose coordinator died while it changed owners: until somebody does, their keys take no writes. A
 * move that is being carried on by another suffers nothing from it. One that fails is reported and stops no other.
 */
export async function settleMoves(
  { abandoned, advance, report }: SettleDeps,
  now: number,
  call: Call,
): Promise<number> {
  const ids = await abandoned(now - abandonedMs, call)
  let settled = 0
  for (const id of ids) {
    try {
      await advance(id, call)
      settled += 1
    } catch (error) {
      report(error, call.requestId)
    }
  }
  return settled
}
