import type { Chance } from './chance.ts'

/** What may go wrong, as the probability of each at one call; the windows are for stretches of time. */
export type Faults = {
  /** The request is lost; the caller learns nothing until it gives up. */
  readonly lostRequest: number
  /** The request takes effect and the reply is lost. */
  readonly lostReply: number
  /** The request is refused on arrival, without effect: a 5xx. */
  readonly refused: number
  /** The request is refused on arrival, without effect: no time now. */
  readonly busy: number
  /** The request arrives twice, the second time at any later moment. */
  readonly duplicate: number
  /** The request, or its reply, comes when the caller has long given up. */
  readonly late: number
  /** Of what comes late or twice, what waits until something has changed, so that it comes when it hurts. */
  readonly held: number
  /** The caller dies at this call: before it is sent, while it is under way, or when the reply comes. */
  readonly kill: number
  /** Mean time between restarts of one endpoint, in milliseconds; 0 never. */
  readonly restartEveryMs: number
  /** Mean time between partitions of one process from one endpoint, in milliseconds; 0 never. */
  readonly partitionEveryMs: number
}

export const noFaults: Faults = {
  lostRequest: 0,
  lostReply: 0,
  refused: 0,
  busy: 0,
  duplicate: 0,
  late: 0,
  held: 0,
  kill: 0,
  restartEveryMs: 0,
  partitionEveryMs: 0,
}

/**
 * A random half of the faults, each at a random strength: bugs that need one fault and the absence of another are
 * found by no fixed mixture.
 *
 * @see Groce et al. 2012, "Swarm testing"
 */
export function swarm(chance: Chance): Faults {
  const some = (most: number) => (chance.happens(0.5) ? most * chance.fraction() : 0)
  const every = (leastMs: number) =>
    chance.happens(0.4) ? leastMs * (1 + chance.fraction() * 4) : 0
  return {
    lostRequest: some(0.04),
    lostReply: some(0.06),
    refused: some(0.04),
    busy: some(0.03),
    duplicate: some(0.12),
    late: some(0.05),
    held: 1 / 3,
    kill: some(0.02),
    restartEveryMs: every(1_500),
    partitionEveryMs: every(1_000),
  }
}
