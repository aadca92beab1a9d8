import {
  type Call,
  isFault,
  keyText,
  type Random,
  type RouteKey,
  ShardFencedError,
  slotOfKey,
} from '@stoa/kernel'

import type { Placement, SlotMap } from './topology.ts'

/** How often a fenced operation follows, or asks for a newer topology, before it gives up. */
const followsMax = 5
/** How long it waits in all for keys that change hands: a freeze is to last 0.2 to 0.6 s. */
const waitedMsMax = 2_000
/** The first wait; each next one is twice as long, up to the longest. */
const waitMs = 25
const waitMsMax = 400
/** Between two topologies that both prove old. */
const settleMs = 150

export type FencedOptions = {
  readonly current: (call: Call) => SlotMap | Promise<SlotMap>
  readonly refresh: (call: Call) => Promise<SlotMap>
  readonly sleep: (ms: number, call: Call) => Promise<void>
  /** Spreads the waits of many callers, by half of each. Default: none, for a life that is to be the same again. */
  readonly random?: Random
}

/** What fences have said in one operation. */
type Words = {
  /** By key: who owns it. */
  readonly owners: Map<string, Placement>
  /** By slot, and the shard that a part of it has left: where that part went. The rest may be there too; a fence tells. */
  readonly departed: Map<string, Placement>
}

function corrected(map: SlotMap, { owners, departed }: Words): SlotMap {
  if (owners.size === 0) return map
  const place = (key: RouteKey): Placement => {
    const known = owners.get(keyText(key))
    if (known !== undefined) return known
    const placed = map.place(key)
    const went = departed.get(`${slotOfKey(key)} ${placed.shard.name}`)
    return went === undefined ? placed : { ...went, key }
  }
  return { ...map, place }
}

/** The owner that a fence names: the peer it was handed to, or the shard itself at an epoch that the map did not know. */
function namedOwner(map: SlotMap, error: ShardFencedError): Placement | undefined {
  const { key, epoch, state, peer } = error
  const isHere = state === 'serving' || state === 'migrating'
  if (!isHere && state !== 'handed_off') return undefined
  const name = isHere ? error.shard : peer
  const shard = map.shards.find((each) => each.name === name)
  return shard === undefined ? undefined : { key, epoch, shard }
}

function isSame(one: Placement | undefined, other: Placement): boolean {
  return one?.epoch === other.epoch && one.shard.name === other.shard.name
}

type Attempt<T> = (map: SlotMap) => Promise<T>

function isFenced(error: unknown): error is ShardFencedError {
  return isFault(error) && error instanceof ShardFencedError
}

/**
 * Runs `attempt` on the map of now, and again when a fence proves it old: keys that were handed off are followed to
 * their peer at once, with a newer topology asked for meanwhile; keys that change hands at this moment are waited for,
 * two seconds in all; anything else asks for a newer topology first.
 *
 * @throws ShardFencedError when nobody owned up, and whatever `attempt` throws.
 */
export async function whenOwned<T>(
  options: FencedOptions,
  attempt: Attempt<T>,
  call: Call,
): Promise<T> {
  const held = options.current(call)
  const map = held instanceof Promise ? await held : held
  try {
    return await attempt(map)
  } catch (error) {
    if (!isFenced(error)) throw error
    return follow(options, { map, error, attempt }, call)
  }
}

/** Goes on after the first attempt was fenced. */
async function follow<T>(
  { refresh, sleep, random }: FencedOptions,
  first: { readonly map: SlotMap; readonly error: ShardFencedError; readonly attempt: Attempt<T> },
  call: Call,
): Promise<T> {
  let { map, error } = first
  const words: Words = { owners: new Map(), departed: new Map() }
  const { owners, departed } = words
  let newer: Promise<SlotMap> | undefined
  let follows = 0
  let waits = 0
  let waited = 0
  const settled = async (): Promise<void> => {
    // A topology that cannot be read keeps nobody from what the fences say.
    map = (await newer?.catch(() => undefined)) ?? map
    newer = undefined
  }
  const wait = async (ms: number): Promise<void> => {
    waited += ms
    const spread = random === undefined ? 1 : 0.5 + random.uint32() / 0x1_0000_0000 / 2
    await sleep(ms * spread, call)
  }
  /** Makes the next attempt worth while, or throws the error that ended the last. */
  const goOn = async (): Promise<void> => {
    if (error.state === 'frozen' || (error.state === 'importing' && owners.size > 0)) {
      if (waited >= waitedMsMax) throw error
      await wait(Math.min(waitMs * 2 ** waits, waitMsMax))
      waits += 1
      return
    }
    follows += 1
    if (follows >= followsMax) throw error
    const owner = namedOwner(map, error)
    if (owner !== undefined && !isSame(owners.get(error.key), owner)) {
      owners.set(error.key, owner)
      departed.set(`${error.slot} ${error.shard}`, owner)
      newer = refresh(call)
      return
    }
    owners.clear()
    departed.clear()
    if (follows > 1) await wait(settleMs)
    map = await refresh(call)
  }
  for (;;) {
    await goOn()
    try {
      const result = await first.attempt(corrected(map, words))
      await settled()
      return result
    } catch (thrown) {
      await settled()
      if (!isFenced(thrown)) throw thrown
      error = thrown
    }
  }
}
