import { type Call, type Clock, type RedisPort, within } from '@stoa/kernel'

import type { Kind } from './kind.ts'

/** The values of one object, as of one moment. */
export type Total = {
  /** One for each metric, in order. */
  readonly values: readonly number[]
  /** The bucket's sequence number: of two totals of an object the one with the larger is the newer. */
  readonly seq: number
  /** When it was read from its shard, in milliseconds since 1970. */
  readonly at: number
}

/** Totals by id. */
export type Totals = ReadonlyMap<string, Total>

/** A total as it is published: the values as text, `n,n,…`. */
export type Published = Omit<Total, 'values'> & { readonly text: string }

export function publishedOf({ values, seq, at }: Total): Published {
  return { text: values.join(), seq, at }
}

/** Moments count from 2020, in seconds: six digits to base 36 until the year 2088. */
const epochMs = 1_577_836_800_000
/** Keys of one EVAL: Lua's stack holds some 8,000 values. */
const keysMax = 2_000

/**
 * Sets what is newer. KEYS: the objects. ARGV[1]: a moment; what was published before it gives way to anything.
 * ARGV[2...]: their values, `n,n,…:seq:at`, seq and at to base 36.
 */
const publishScript = `local held = redis.call('MGET', unpack(KEYS))
local changes = {}
for i = 1, #KEYS do
  local old = held[i]
  local wins = true
  if old then
    local seq, at = string.match(old, ':(%w+):(%w+)$')
    local new = string.match(ARGV[i + 1], ':(%w+):%w+$')
    wins = not seq or tonumber(at, 36) < tonumber(ARGV[1], 36) or tonumber(new, 36) >= tonumber(seq, 36)
  end
  if wins then
    changes[#changes + 1] = KEYS[i]
    changes[#changes + 1] = ARGV[i + 1]
  end
end
if #changes > 0 then redis.call('MSET', unpack(changes)) end
return #changes / 2`

function spellTime(ms: number): string {
  return Math.max(0, Math.floor((ms - epochMs) / 1_000)).toString(36)
}

function spell({ text, seq, at }: Published): string {
  return `${text}:${seq.toString(36)}:${spellTime(at)}`
}

/** A value as it stands in Redis; `undefined` when it is none, or lacks a metric that was added since. */
function read(text: unknown, kind: Kind): Total | undefined {
  if (typeof text !== 'string') return undefined
  const [numbers = '', seq = '', at = ''] = text.split(':')
  const values = numbers.split(',').map(Number)
  const total = {
    values,
    seq: Number.parseInt(seq, 36),
    at: Number.parseInt(at, 36) * 1_000 + epochMs,
  }
  const isWhole = [...values, total.seq, total.at].every((one) => Number.isSafeInteger(one))
  return isWhole && values.length === kind.metrics.length ? total : undefined
}

function keyOf(kind: Kind, id: string): string {
  return `${kind.name}:${id}`
}

export type Wanted = {
  readonly kind: Kind
  readonly ids: readonly string[]
  /** How old a total may be; as old as readers trust it when absent. */
  readonly maxAgeMs?: number
}

/**
 * The totals that readers see first, one string an object, in a database that may evict. Whoever has read newer totals
 * from a shard publishes them; an older one never replaces a newer one, in whatever order they come.
 */
export type HotView = {
  /**
   * One round trip, one billed command. Objects that are not there, or too old to be trusted, are left out.
   *
   * @throws DeadlineExceededError when Redis is slow, and as {@link RedisPort.run}.
   */
  get(wanted: Wanted, call: Call): Promise<Totals>
  /** Three billed commands for each 2,000 objects, one round trip. Safe to repeat, and to lose. */
  publish(kind: Kind, totals: ReadonlyMap<string, Published>, call: Call): Promise<void>
}

export function createHotView(options: {
  readonly redis: RedisPort
  readonly clock: Clock
  /** How old a total may be before it is read anew, in milliseconds. */
  readonly maxAgeMs: number
  /** How long a read waits for it, in milliseconds: the shards know as much. */
  readonly readMs: number
}): HotView {
  const { redis, clock, maxAgeMs, readMs } = options
  return {
    get: async ({ kind, ids, maxAgeMs: agedMs = maxAgeMs }, call) => {
      if (ids.length === 0) return new Map()
      const command = ['MGET', ...ids.map((id) => keyOf(kind, id))]
      const answer = await redis.run(command, within(call, readMs, clock), { idempotent: true })
      const texts = Array.isArray(answer) ? answer : []
      const oldest = clock.now() - agedMs
      const found = new Map<string, Total>()
      for (const [index, id] of ids.entries()) {
        const total = read(texts[index], kind)
        if (total !== undefined && total.at >= oldest) found.set(id, total)
      }
      return found
    },
    publish: async (kind, totals, call) => {
      const list = [...totals]
      const commands: (readonly (string | number)[])[] = []
      for (let from = 0; from < list.length; from += keysMax) {
        const some = list.slice(from, from + keysMax)
        const keys = some.map(([id]) => keyOf(kind, id))
        const values = some.map(([, total]) => spell(total))
        const oldest = spellTime(clock.now() - maxAgeMs)
        commands.push(['EVAL', publishScript, keys.length, ...keys, oldest, ...values])
      }
      if (commands.length === 0) return
      const answers = await redis.pipeline(commands, call, { idempotent: true })
      const refused = answers.find((answer) => 'error' in answer)
      if (refused !== undefined && 'error' in refused)
        throw new Error(`Cannot publish counts: ${refused.error}`)
    },
  }
}
