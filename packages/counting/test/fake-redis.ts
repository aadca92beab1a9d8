import {
  AmbiguousCommandError,
  type RedisCommand,
  type RedisPort,
  type RedisReply,
  type RedisResult,
  RedisUnavailableError,
} from '@stoa/kernel'

type Entry = { readonly at: string; readonly fields: readonly string[] }

/** What becomes of the next requests. */
export type RedisSpoilt = 'reply' | 'request'

/** A Redis with a log and strings, in memory: every request is one step. The real engines run the same tests elsewhere. */
export type FakeRedis = RedisPort & {
  entries: Entry[]
  readonly strings: Map<string, string>
  /** Commands that would be billed. */
  billed: number
  /** A mutant's: whoever publishes last wins. */
  isBlind: boolean
  spoil(this: void, ...next: RedisSpoilt[]): void
  before: (this: void, command: RedisCommand) => Promise<void>
  /** What a failover to a replica that lags brings back. */
  snapshot(this: void): () => void
}

function newer(old: string | undefined, value: string, oldest: string): boolean {
  if (old === undefined) return true
  const [, seq = '', at = ''] = old.split(':')
  const [, next = ''] = value.split(':')
  const number = (text: string) => Number.parseInt(text, 36)
  return number(at) < number(oldest) || number(next) >= number(seq)
}

export function fakeRedis(): FakeRedis {
  const next: RedisSpoilt[] = []
  let last = 0
  const execute = (command: RedisCommand): RedisReply => {
    const [name = '', ...args] = command.map(String)
    redis.billed += 1
    if (name === 'XADD') {
      last += 1
      const at = `${last}-0`
      redis.entries = [...redis.entries, { at, fields: args.slice(2) }]
      return at
    }
    if (name === 'XRANGE') {
      const [, from = '-', , , count] = args
      const isAfter = ({ at }: Entry) =>
        from === '-' || Number.parseInt(at, 10) > Number.parseInt(from.slice(1), 10)
      const found = redis.entries.filter(isAfter).slice(0, Number(count))
      return found.map(({ at, fields }) => [at, fields])
    }
    if (name === 'XDEL') {
      const gone = new Set(args.slice(1))
      redis.entries = redis.entries.filter(({ at }) => !gone.has(at))
      return gone.size
    }
    if (name === 'MGET') return args.map((key) => redis.strings.get(key) ?? null)
    if (name === 'EVAL') {
      redis.billed += 2
      const count = Number(args[1])
      const keys = args.slice(2, 2 + count)
      const [oldest = '', ...values] = args.slice(2 + count)
      for (const [index, key] of keys.entries()) {
        const value = values[index] ?? ''
        if (redis.isBlind || newer(redis.strings.get(key), value, oldest))
          redis.strings.set(key, value)
      }
      return keys.length
    }
    throw new Error(`The fake Redis has no ${name}`)
  }
  const step = async (commands: readonly RedisCommand[], idempotent: boolean) => {
    for (const command of commands) await redis.before(command)
    const spoilt = next.shift()
    if (spoilt === 'request') throw new RedisUnavailableError('fake', 'network')
    const answers = commands.map((command): RedisResult => ({ result: execute(command) }))
    if (spoilt !== 'reply') return answers
    throw idempotent
      ? new RedisUnavailableError('fake', 'network')
      : new AmbiguousCommandError('fake')
  }
  const redis: FakeRedis = {
    entries: [],
    strings: new Map(),
    billed: 0,
    isBlind: false,
    spoil: (...spoilt) => next.push(...spoilt),
    before: async () => undefined,
    snapshot: () => {
      const { entries } = redis
      const strings = new Map(redis.strings)
      return () => {
        redis.entries = entries
        redis.strings.clear()
        for (const [key, value] of strings) redis.strings.set(key, value)
      }
    },
    run: async (command, _call, { idempotent }) => {
      const [answer] = await step([command], idempotent)
      return answer !== undefined && 'result' in answer ? answer.result : null
    },
    pipeline: (commands, _call, { idempotent }) => step(commands, idempotent),
  }
  return redis
}
