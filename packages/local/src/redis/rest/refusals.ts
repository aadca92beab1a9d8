import type { Argv } from '../engine.ts'

/** What a token may do. */
export type Access = 'full' | 'read-only'

/** Connection, transaction and subscription control: meaningless over HTTP, or with an endpoint of its own. */
const specialContext = new Set(
  `AUTH CLIENT DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PUNSUBSCRIBE QUIT RESET SELECT SUBSCRIBE UNSUBSCRIBE
  UNWATCH WATCH`.split(/\s+/),
)

/** Reads; `KEYS` and `SCAN` are left out because Upstash keeps them from the read-only token. */
const readCommands = new Set(
  `BITCOUNT BITFIELD_RO BITPOS DBSIZE DUMP ECHO EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO
  GEORADIUS_RO GEOSEARCH GET GETBIT GETRANGE HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL
  HRANDFIELD HSCAN HSTRLEN HTTL HVALS JSON.ARRINDEX JSON.ARRLEN JSON.GET JSON.MGET JSON.OBJKEYS JSON.OBJLEN
  JSON.RESP JSON.STRLEN JSON.TYPE LINDEX LLEN LPOS LRANGE MEMORY MGET PEXPIRETIME PFCOUNT PING PTTL RANDOMKEY SCARD SDIFF
  SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TOUCH TTL TYPE XINFO XLEN
  XPENDING XRANGE XREAD XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE
  ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION`.split(
    /\s+/,
  ),
)

const otherCommands = new Set(
  `APPEND BITFIELD BITOP COMMAND COPY DECR DECRBY DEL EVAL EVALSHA EVALSHA_RO EVAL_RO EXPIRE EXPIREAT FCALL FCALL_RO
  FLUSHALL FLUSHDB FUNCTION GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE GETDEL GETEX GETSET HDEL HEXPIRE
  HEXPIREAT HGETDEL HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX HSETNX INCR INCRBY
  INCRBYFLOAT INFO JSON.ARRAPPEND JSON.ARRINSERT JSON.ARRPOP JSON.ARRTRIM JSON.CLEAR JSON.DEL JSON.FORGET JSON.MERGE
  JSON.MSET JSON.NUMINCRBY JSON.NUMMULTBY JSON.SET JSON.STRAPPEND JSON.TOGGLE KEYS LINSERT LMOVE LMPOP LPOP LPUSH
  LPUSHX LREM LSET LTRIM MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFMERGE PSETEX PUBLISH RENAME RENAMENX RESTORE
  RPOP RPOPLPUSH RPUSH RPUSHX SADD SCAN SCRIPT SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE SMOVE SPOP SREM
  SUNIONSTORE TIME UNLINK XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XREADGROUP XTRIM ZADD ZDIFFSTORE ZINCRBY
  ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE
  ZUNIONSTORE`.split(/\s+/),
)

/** Upstash's words for a command that it, or the engine behind this front, does not have. */
export function notAvailable(name: string): string {
  return (
    `ERR Command is not available: '${name.toUpperCase()}'. ` +
    'See https://upstash.com/docs/redis/overall/rediscompatibility for details'
  )
}

/**
 * Why the front does not pass a command on, in Upstash's words; undefined when it does.
 *
 * @see https://upstash.com/docs/redis/features/restapi
 */
export function refusalOf(argv: Argv, access: Access): string | undefined {
  const name = (argv[0] ?? '').toUpperCase()
  if (specialContext.has(name)) {
    return `ERR Command "${name}" is not allowed in REST or it has a special context path`
  }
  const isRead = readCommands.has(name)
  if (!isRead && !otherCommands.has(name)) return notAvailable(name)
  if (access === 'read-only' && !isRead) return noPermission(name)
  if (name === 'MEMORY' && argv[1]?.toUpperCase() !== 'USAGE') return notAvailable(name)
  if (name === 'COPY' && leavesDatabase(argv)) return 'ERR DB index is out of range'
  // The documentation only says that the blocking form is not supported; the words are ours.
  return isBlocking(name, argv) ? `ERR ${name} with BLOCK is not supported over REST` : undefined
}

export function noPermission(name: string): string {
  return `NOPERM this user has no permissions to run the '${name.toLowerCase()}' command or its subcommand`
}

/** Upstash has one database, number 0. */
function leavesDatabase(argv: Argv): boolean {
  return argv.some((word, at) => {
    const index = argv[at + 1]
    return at >= 3 && word.toUpperCase() === 'DB' && index !== undefined && index !== '0'
  })
}

function isBlocking(name: string, argv: Argv): boolean {
  if (name !== 'XREAD' && name !== 'XREADGROUP') return false
  const streams = argv.findIndex((word) => word.toUpperCase() === 'STREAMS')
  const options = streams < 0 ? argv : argv.slice(0, streams)
  // XREADGROUP's group and consumer may be called anything.
  const first = name === 'XREAD' ? 1 : 4
  return options.slice(first).some((word) => word.toUpperCase() === 'BLOCK')
}
