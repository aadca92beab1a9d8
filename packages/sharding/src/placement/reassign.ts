import { cut, runsOf } from './runs.ts'

export type Quotas = {
  /** How many of the slots that are not pinned each shard is to have; one that is not named is to have none. */
  readonly quotas: ReadonlyMap<string, number>
  /** Slots that are on this shard afterwards, whatever the quotas. */
  readonly pinned?: ReadonlyMap<number, string>
}

/**
 * The owners of all slots after each shard has given what exceeds its quota to those that are below theirs. Nothing
 * else moves but pinned slots that were elsewhere. The quotas together are all slots that are not pinned.
 */
export function reassigned(
  owners: readonly string[],
  { quotas, pinned = new Map() }: Quotas,
): readonly string[] {
  const free = owners.map((owner, slot) => (pinned.has(slot) ? undefined : owner))
  const held = countsOf(free)
  const wants = new Map(
    [...quotas].map(([name, quota]) => [name, quota - (held.get(name) ?? 0)] as const),
  )
  const target = owners.map((owner, slot): string | undefined => pinned.get(slot) ?? owner)
  const goes = (slot: number) => {
    if (slot < 0 || slot >= owners.length) return false
    const owner = target[slot]
    return owner === undefined || (wants.get(owner) ?? 0) > 0
  }
  for (const [owner, runs] of Map.groupBy(runsOf(free), ({ value }) => value)) {
    if (owner === undefined) continue
    const surplus = -(wants.get(owner) ?? -(held.get(owner) ?? 0))
    if (surplus <= 0) continue
    for (const { from, to } of cut(runs, surplus, goes)) target.fill(undefined, from, to + 1)
  }
  return dealt(target, wants)
}

/** How often each name occurs. */
export function countsOf(names: readonly (string | undefined)[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) {
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/** Gives each slot without an owner to one that wants it: beside its own slots where it can, else in order. */
function dealt(
  target: readonly (string | undefined)[],
  wants: ReadonlyMap<string, number>,
): readonly string[] {
  const owners = [...target]
  const left = new Map([...wants].filter(([, want]) => want > 0))
  /** Gives `name` up to `room` slots from `from` on; answers how many. */
  const give = (name: string | undefined, from: number, room: number): number => {
    if (name === undefined) return 0
    const taken = Math.min(left.get(name) ?? 0, room)
    if (taken > 0) owners.fill(name, from, from + taken)
    if (taken > 0) left.set(name, (left.get(name) ?? 0) - taken)
    return taken
  }
  for (const { from, to, value } of runsOf(target)) {
    if (value !== undefined) continue
    const headed = give(owners[from - 1], from, to - from + 1)
    const after = owners[to + 1]
    const room = Math.min(left.get(after ?? '') ?? 0, to - from + 1 - headed)
    give(after, to - room + 1, room)
  }
  for (const { from, to, value } of runsOf(owners)) {
    if (value !== undefined) continue
    let at = from
    for (const name of left.keys()) at += give(name, at, to - at + 1)
  }
  return owners.map((owner, slot) => {
    if (owner === undefined) throw new RangeError(`The quotas leave slot ${slot} to nobody`)
    return owner
  })
}
