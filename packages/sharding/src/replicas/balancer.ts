import type { Clock, Random } from '@stoa/kernel'

import { createEjection, type EjectionLimits } from './ejection.ts'

/**
 * How a request ended: answered; not answered, or too late; or neither a word for nor against whoever was asked, as when
 * the caller hung up.
 */
export type Outcome = 'answered' | 'failed' | 'abandoned'

/** Somebody who was chosen. To be ended once. */
export type Lease = { readonly index: number; end(this: void, outcome: Outcome): void }

/** Chooses among equals whom to ask. */
export type Balancer = {
  /** `undefined` when nobody may be asked: `mayAsk` forbids it, or all are ejected. O(members). */
  pick(this: void, mayAsk?: (index: number) => boolean): Lease | undefined
  /** As `pick`, of one that may be ejected: for when nobody else is left. */
  insist(this: void, index: number): Lease
}

export type BalancerOptions = {
  /** The shares of members that are equally fast; above 0. */
  readonly weights: readonly number[]
  readonly clock: Clock
  readonly random: Random
  /** In how many milliseconds a latency is forgotten to 37 %. Default: 10,000. */
  readonly decayMs?: number
  readonly ejection?: Partial<EjectionLimits>
}

const decayMsDefault = 10_000

/** The costs of two members differ when one is so many times the other; below that their weights decide. */
const clearlyCheaper = 1.5

type Member = { weight: number; latencyMs: number; seenAt: number; inFlight: number }

/**
 * Power of two choices: two members are drawn by weight, and the second is taken only when it is clearly cheaper. The
 * cost is the latency, which jumps up with a slow answer and is forgotten with time, times the requests in flight. A
 * member that fails in a row is ejected, and comes back by one probe.
 *
 * @see Mitzenmacher 2001, "The power of two choices in randomized load balancing"; Finagle's peak EWMA
 */
export function createBalancer(options: BalancerOptions): Balancer {
  const { weights, clock, random, decayMs = decayMsDefault } = options
  if (weights.some((weight) => !(weight > 0 && Number.isFinite(weight))))
    throw new RangeError('Cannot balance: a weight is not above 0')
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / Math.max(1, weights.length)
  const members = weights.map((weight): Member => ({
    weight: weight / mean,
    latencyMs: 0,
    seenAt: 0,
    inFlight: 0,
  }))
  const ejections = weights.map(() => createEjection({ clock, random, limits: options.ejection }))
  const latencyOf = ({ latencyMs, seenAt }: Member): number =>
    latencyMs * Math.exp(-Math.max(0, clock.now() - seenAt) / decayMs)
  const costOf = (member: Member): number =>
    (latencyOf(member) + 1) * (1 + member.inFlight / member.weight)
  const observe = (member: Member, ms: number): void => {
    const known = latencyOf(member)
    const fresh = Math.exp(-Math.max(0, clock.now() - member.seenAt) / decayMs)
    member.latencyMs = ms > known ? ms : known * fresh + ms * (1 - fresh)
    member.seenAt = clock.now()
  }
  const lease = (index: number): Lease => {
    const member = members[index]
    const ejection = ejections[index]
    if (member === undefined || ejection === undefined)
      throw new RangeError(`Cannot ask member ${index}: there are ${members.length}`)
    const startedAt = clock.now()
    member.inFlight += 1
    const settle = ejection.begin()
    return {
      index,
      end: (outcome) => {
        member.inFlight -= 1
        settle(outcome)
        if (outcome !== 'abandoned') observe(member, clock.now() - startedAt)
      },
    }
  }
  const draw = (indexes: readonly number[]): number | undefined => {
    const total = indexes.reduce((sum, index) => sum + (members[index]?.weight ?? 0), 0)
    let left = (random.uint32() / 2 ** 32) * total
    for (const index of indexes) {
      left -= members[index]?.weight ?? 0
      if (left < 0) return index
    }
    return indexes.at(-1)
  }
  return {
    pick: (mayAsk = () => true) => {
      const open = [...members.keys()].filter(
        (index) => (ejections[index]?.isOpen() ?? false) && mayAsk(index),
      )
      const first = draw(open)
      if (first === undefined) return undefined
      const second = draw(open.filter((index) => index !== first))
      const [one, other] = [members[first], second === undefined ? undefined : members[second]]
      const isBetter =
        one !== undefined && other !== undefined && costOf(other) * clearlyCheaper < costOf(one)
      return lease(isBetter && second !== undefined ? second : first)
    },
    insist: lease,
  }
}
