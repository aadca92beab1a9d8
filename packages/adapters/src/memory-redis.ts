import {
  type Clock,
  type RedisCommand,
  RedisCommandError,
  type RedisPort,
  type RedisReply,
  type RedisResult,
} from '@stoa/kernel'

type Entry = { readonly value: string; readonly expiresAt: number }
type Keys = Map<string, Entry>
type Handler = (keys: Keys, args: readonly string[], now: number) => RedisReply

/**
 * Strings with a time to live: GET, MGET, SET (NX, XX, IFEQ, EX, PX, KEEPTTL), DEL, EXISTS, INCR, INCRBY,
 * DECR, DECRBY, PEXPIRE, EXPIRE, PTTL, TTL. Every other command is refused; what needs more runs against
 * the local Redis front.
 */
export function memoryRedis(clock: Clock): RedisPort {
  const keys: Keys = new Map()
  const execute = (command: RedisCommand): RedisResult => {
    const [name = '', ...args] = command.map(String)
    const handler = handlers[name.toUpperCase()]
    if (!handler) return { error: `ERR unknown command '${name}'` }
    const now = clock.now()
    for (const [key, entry] of keys) if (entry.expiresAt <= now) keys.delete(key)
    try {
      return { result: handler(keys, args, now) }
    } catch (thrown) {
      if (thrown instanceof Refusal) return { error: thrown.message }
      throw thrown
    }
  }
  return {
    async run(command, call) {
      call.signal.throwIfAborted()
      const answer = execute(command)
      if ('error' in answer) throw new RedisCommandError(answer.error)
      return answer.result
    },
    async pipeline(commands, call) {
      call.signal.throwIfAborted()
      return commands.map(execute)
    },
  }
}

class Refusal extends Error {}

const handlers: Readonly<Record<string, Handler>> = {
  GET: (keys, [key = '']) => keys.get(key)?.value ?? null,
  MGET: (keys, args) => args.map((key) => keys.get(key)?.value ?? null),
  SET: set,
  DEL: (keys, args) => args.filter((key) => keys.delete(key)).length,
  EXISTS: (keys, args) => args.filter((key) => keys.has(key)).length,
  INCR: (keys, [key]) => add(keys, key, '1'),
  DECR: (keys, [key]) => add(keys, key, '-1'),
  INCRBY: (keys, [key, by]) => add(keys, key, by),
  DECRBY: (keys, [key, by]) => add(keys, key, String(-whole(by))),
  PEXPIRE: (keys, [key, ms], now) => expire(keys, key, now + whole(ms)),
  EXPIRE: (keys, [key, seconds], now) => expire(keys, key, now + whole(seconds) * 1000),
  PTTL: timeToLive,
  TTL: (keys, args, now) => {
    const ms = timeToLive(keys, args, now)
    return ms > 0 ? Math.round(ms / 1000) : ms
  },
}

function set(
  keys: Keys,
  [key = '', value = '', ...words]: readonly string[],
  now: number,
): RedisReply {
  const old = keys.get(key)
  let expiresAt = Infinity
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i]?.toUpperCase()
    if (word === 'NX' && old) return null
    else if (word === 'XX' && !old) return null
    else if (word === 'IFEQ' && old?.value !== words[(i += 1)]) return null
    else if (word === 'PX') expiresAt = now + whole(words[(i += 1)])
    else if (word === 'EX') expiresAt = now + whole(words[(i += 1)]) * 1000
    else if (word === 'KEEPTTL') expiresAt = old?.expiresAt ?? Infinity
    else if (word !== 'NX' && word !== 'XX' && word !== 'IFEQ')
      throw new Refusal('ERR syntax error')
  }
  keys.set(key, { value, expiresAt })
  return 'OK'
}

function add(keys: Keys, key = '', by = ''): number {
  const old = keys.get(key)
  const sum = whole(old?.value ?? '0') + whole(by)
  keys.set(key, { value: String(sum), expiresAt: old?.expiresAt ?? Infinity })
  return sum
}

function expire(keys: Keys, key = '', expiresAt: number): number {
  const old = keys.get(key)
  if (!old) return 0
  keys.set(key, { ...old, expiresAt })
  return 1
}

function timeToLive(keys: Keys, [key = '']: readonly string[], now: number): number {
  const entry = keys.get(key)
  if (!entry) return -2
  return entry.expiresAt === Infinity ? -1 : entry.expiresAt - now
}

function whole(text = ''): number {
  if (!/^-?(0|[1-9]\d*)$/.test(text)) {
    throw new Refusal('ERR value is not an integer or out of range')
  }
  return Number(text)
}
