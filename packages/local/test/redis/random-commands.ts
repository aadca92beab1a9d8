import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'

import type { Argv } from '../../src/redis/engine.ts'

const families = ['str', 'num', 'bit', 'hash', 'list', 'set', 'zset', 'log', 'hll'] as const
type Family = (typeof families)[number]

/** Every key but the HyperLogLogs', whose bytes differ: Redis stores small ones sparsely, the in-process engine never. */
export const plainKeys: readonly string[] = families
  .filter((family) => family !== 'hll')
  .flatMap((family) => [`${family}1`, `${family}2`])

/** Mostly a key of the family; now and then one that holds another type. */
const key = (family: Family) =>
  fc.oneof(
    { weight: 14, arbitrary: fc.constantFrom(`${family}1`, `${family}2`) },
    { weight: 1, arbitrary: fc.constantFrom(...plainKeys) },
  )

const bytes = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes))
const value = fc.oneof(
  fc.constantFrom('', '0', '1', '-1', '007', '3.5', 'abc', 'a b', '9223372036854775807', 'nan'),
  bytes,
)
const member = fc.constantFrom('a', 'b', 'c', 'd', 'e', '', 'é\u0000', '1', '2', '10')
const whole = fc.oneof(
  fc.integer({ min: -6, max: 12 }).map(String),
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '9007199254740993', 'x', '1.5'),
)
const position = fc.integer({ min: -6, max: 8 }).map(String)
const small = fc.integer({ min: -1, max: 5 }).map(String)
const real = fc.oneof(
  fc.integer({ min: -40, max: 40 }).map((quarters) => String(quarters / 4)),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).map(String),
  fc.constantFrom('inf', '-inf', 'x', '1e3', '0.1', '5.0e-2'),
)
const decimal = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map((units) => String(units / 1000)),
  fc.constantFrom('0.1', '0.2', '1e3', '1000.1', '-2.5e-3', 'x', '12345678.875'),
)
const limit = fc.oneof(
  real,
  real.map((text) => `(${text}`),
  fc.constantFrom('-inf', '+inf'),
)
const lexLimit = fc.oneof(
  fc.constantFrom('-', '+', 'bad'),
  member.map((text) => `[${text}`),
  member.map((text) => `(${text}`),
)
const streamId = fc.oneof(
  fc.tuple(fc.nat(12), fc.nat(3)).map(([ms, seq]) => `${ms}-${seq}`),
  fc.nat(12).map(String),
  fc.nat(12).map((ms) => `${ms}-*`),
)
const streamBound = fc.oneof(
  fc.constantFrom('-', '+', 'x'),
  fc.tuple(fc.nat(12), fc.nat(3)).map(([ms, seq]) => `${ms}-${seq}`),
  fc.nat(12).map((ms) => `(${ms}`),
  fc.nat(12).map(String),
)

type Part = Arbitrary<string | readonly string[]>

const words = (...parts: readonly (string | Part)[]): Arbitrary<Argv> =>
  fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((found) => found.flat())
const maybe = (...parts: readonly (string | Part)[]): Part =>
  fc.option(words(...parts), { nil: [] as readonly string[] })
const some = (part: Arbitrary<string>, maxLength = 3): Part =>
  fc.array(part, { minLength: 1, maxLength })
const pairsOf = (left: Arbitrary<string>, right: Arbitrary<string>): Part =>
  fc.array(fc.tuple(left, right), { minLength: 1, maxLength: 3 }).map((found) => found.flat())

/** Relative times are long and absolute ones far away, so that nothing expires and no two are close. */
const lifetime = maybe(
  fc.constantFrom<readonly string[]>(
    ['EX', '100000'],
    ['PX', '200000000'],
    ['EXAT', '4102444800'],
    ['PXAT', '4102444800123'],
    ['KEEPTTL'],
    ['EX', '0'],
    ['EX', 'x'],
    ['PX'],
  ),
)
const setCondition = maybe(
  fc.oneof(
    fc.constantFrom<readonly string[]>(['NX'], ['XX'], ['NX', 'XX'], ['IFEQ']),
    fc.tuple(fc.constantFrom('IFEQ', 'IFNE'), value).map((found): readonly string[] => found),
  ),
)

const strings: readonly Arbitrary<Argv>[] = [
  words('SET', key('str'), value, setCondition, maybe('GET'), lifetime),
  words('SET', key('num'), whole),
  words('GET', key('str')),
  words('GETEX', key('str'), lifetime),
  words('GETEX', key('str'), 'PERSIST'),
  words('GETDEL', key('str')),
  words('GETSET', key('str'), value),
  words('SETNX', key('str'), value),
  words('SETEX', key('str'), fc.constantFrom('100000', '0', 'x'), value),
  words('MGET', some(fc.constantFrom(...plainKeys))),
  words('MSET', pairsOf(key('str'), value)),
  words('MSETNX', pairsOf(key('str'), value)),
  words('APPEND', key('str'), value),
  words('STRLEN', key('str')),
  words('GETRANGE', key('str'), position, position),
  words('SETRANGE', key('str'), position, value),
  words(fc.constantFrom('INCR', 'DECR'), key('num')),
  words(fc.constantFrom('INCRBY', 'DECRBY'), key('num'), whole),
  words('INCRBYFLOAT', key('num'), decimal),
]

const bitType = fc.oneof(
  fc.integer({ min: 1, max: 65 }).map((bits) => `i${bits}`),
  fc.integer({ min: 1, max: 65 }).map((bits) => `u${bits}`),
)
const bitOffset = fc.oneof(
  fc.nat(80).map(String),
  fc.nat(6).map((at) => `#${at}`),
)
const bitStep = fc.oneof(
  words('GET', bitType, bitOffset),
  words('SET', bitType, bitOffset, whole),
  words('INCRBY', bitType, bitOffset, whole),
  words('OVERFLOW', fc.constantFrom('WRAP', 'SAT', 'FAIL', 'NO')),
)
const bitRange = maybe(position, maybe(position, maybe(fc.constantFrom('BIT', 'BYTE'))))

const bits: readonly Arbitrary<Argv>[] = [
  words('SETBIT', key('bit'), fc.nat(70).map(String), fc.constantFrom('0', '1', '2')),
  words('GETBIT', key('bit'), fc.nat(90).map(String)),
  words('BITCOUNT', key('bit'), bitRange),
  words('BITPOS', key('bit'), fc.constantFrom('0', '1'), bitRange),
  words('BITOP', fc.constantFrom('AND', 'OR', 'XOR', 'NOT'), key('bit'), some(key('bit'))),
  words(
    'BITFIELD',
    key('bit'),
    fc.array(bitStep, { minLength: 1, maxLength: 4 }).map((steps) => steps.flat()),
  ),
]

const keys: readonly Arbitrary<Argv>[] = [
  words('DEL', some(fc.constantFrom(...plainKeys))),
  words('EXISTS', some(fc.constantFrom(...plainKeys))),
  words('TYPE', fc.constantFrom(...plainKeys)),
  words('RENAME', fc.constantFrom(...plainKeys), fc.constantFrom(...plainKeys)),
  words('RENAMENX', fc.constantFrom(...plainKeys), fc.constantFrom(...plainKeys)),
  words('COPY', fc.constantFrom(...plainKeys), fc.constantFrom(...plainKeys), maybe('REPLACE')),
  words('KEYS', fc.constantFrom('*', 's*', '?et1', '[hl]*', '*[^12]', '\\*')),
  words('DBSIZE'),
  words(
    'EXPIRE',
    fc.constantFrom(...plainKeys),
    '100000',
    maybe(fc.constantFrom('NX', 'XX', 'GG')),
  ),
  words(
    'EXPIREAT',
    fc.constantFrom(...plainKeys),
    fc.constantFrom('4102444800', '4202444800', '1', 'x'),
    maybe(fc.constantFrom('NX', 'XX', 'GT', 'LT')),
  ),
  words(fc.constantFrom('TTL', 'PTTL', 'PEXPIRETIME'), fc.constantFrom(...plainKeys)),
  words('PERSIST', fc.constantFrom(...plainKeys)),
]

const hashes: readonly Arbitrary<Argv>[] = [
  words('HSET', key('hash'), pairsOf(member, value)),
  words('HSETNX', key('hash'), member, value),
  words('HGET', key('hash'), member),
  words('HMGET', key('hash'), some(member)),
  words(fc.constantFrom('HGETALL', 'HKEYS', 'HVALS', 'HLEN'), key('hash')),
  words('HDEL', key('hash'), some(member)),
  words(fc.constantFrom('HEXISTS', 'HSTRLEN'), key('hash'), member),
  words('HINCRBY', key('hash'), member, whole),
  words('HINCRBYFLOAT', key('hash'), member, decimal),
  words('HSCAN', key('hash'), '0', maybe('MATCH', fc.constantFrom('a*', '[1-9]*'))),
]

const side = fc.constantFrom('LEFT', 'RIGHT')
const lists: readonly Arbitrary<Argv>[] = [
  words(fc.constantFrom('LPUSH', 'RPUSH', 'LPUSHX', 'RPUSHX'), key('list'), some(member)),
  words(fc.constantFrom('LPOP', 'RPOP'), key('list'), maybe(small)),
  words('LRANGE', key('list'), position, position),
  words('LLEN', key('list')),
  words('LINDEX', key('list'), position),
  words('LSET', key('list'), position, member),
  words('LTRIM', key('list'), position, position),
  words('LREM', key('list'), position, member),
  words('LINSERT', key('list'), fc.constantFrom('BEFORE', 'AFTER', 'ON'), member, member),
  words(
    'LPOS',
    key('list'),
    member,
    maybe('RANK', position),
    maybe('COUNT', small),
    maybe('MAXLEN', small),
  ),
  words('LMOVE', key('list'), key('list'), side, side),
  words('RPOPLPUSH', key('list'), key('list')),
  words('LMPOP', '2', key('list'), key('list'), side, maybe('COUNT', small)),
]

const sets: readonly Arbitrary<Argv>[] = [
  words(fc.constantFrom('SADD', 'SREM', 'SMISMEMBER'), key('set'), some(member)),
  words(fc.constantFrom('SMEMBERS', 'SCARD'), key('set')),
  words('SISMEMBER', key('set'), member),
  words('SMOVE', key('set'), key('set'), member),
  words(fc.constantFrom('SINTER', 'SUNION', 'SDIFF'), some(key('set'))),
  words(fc.constantFrom('SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE'), key('set'), some(key('set'))),
  words('SINTERCARD', '2', key('set'), key('set'), maybe('LIMIT', small)),
]

const windowed = maybe('LIMIT', position, position)
const scored = maybe('WITHSCORES')
const aggregate = maybe('AGGREGATE', fc.constantFrom('SUM', 'MIN', 'MAX'))
const sortedSets: readonly Arbitrary<Argv>[] = [
  words(
    'ZADD',
    key('zset'),
    maybe(fc.constantFrom('NX', 'XX')),
    maybe(fc.constantFrom('GT', 'LT')),
    maybe('CH'),
    pairsOf(real, member),
  ),
  words('ZADD', key('zset'), maybe(fc.constantFrom('NX', 'XX', 'GT')), 'INCR', real, member),
  words('ZINCRBY', key('zset'), real, member),
  words('ZREM', key('zset'), some(member)),
  words('ZMSCORE', key('zset'), some(member)),
  words(fc.constantFrom('ZSCORE', 'ZRANK', 'ZREVRANK'), key('zset'), member),
  words('ZCARD', key('zset')),
  words('ZCOUNT', key('zset'), limit, limit),
  words(fc.constantFrom('ZRANGE', 'ZREVRANGE'), key('zset'), position, position, scored),
  words('ZRANGE', key('zset'), position, position, 'REV', scored),
  words('ZRANGE', key('zset'), limit, limit, 'BYSCORE', maybe('REV'), windowed, scored),
  words('ZRANGESTORE', key('zset'), key('zset'), position, position, maybe('REV')),
  words(
    fc.constantFrom('ZRANGEBYSCORE', 'ZREVRANGEBYSCORE'),
    key('zset'),
    limit,
    limit,
    scored,
    windowed,
  ),
  words('ZREMRANGEBYRANK', key('zset'), position, position),
  words('ZREMRANGEBYSCORE', key('zset'), limit, limit),
  words(fc.constantFrom('ZPOPMIN', 'ZPOPMAX'), key('zset'), maybe(small)),
  words(
    fc.constantFrom('ZUNIONSTORE', 'ZINTERSTORE'),
    key('zset'),
    '2',
    key('zset'),
    fc.oneof(key('zset'), key('set')),
    maybe('WEIGHTS', '2', real),
    aggregate,
  ),
  words(fc.constantFrom('ZUNION', 'ZINTER'), '2', key('zset'), key('zset'), aggregate, scored),
  words('ZDIFF', '2', key('zset'), key('zset'), scored),
  words('ZDIFFSTORE', key('zset'), '2', key('zset'), key('zset')),
  words('ZSCAN', key('zset'), '0'),
]

/** Members of one score: what a range by member means among several scores Redis leaves open. */
const lexKey = fc.constantFrom('lex1', 'lex2')
const lexicographic: readonly Arbitrary<Argv>[] = [
  words('ZADD', lexKey, '0', member),
  words(
    'ZADD',
    lexKey,
    fc.array(member, { minLength: 1 }).map((all) => all.flatMap((each) => ['0', each])),
  ),
  words(fc.constantFrom('ZLEXCOUNT', 'ZREMRANGEBYLEX'), lexKey, lexLimit, lexLimit),
  words('ZRANGE', lexKey, lexLimit, lexLimit, 'BYLEX', maybe('REV'), windowed),
  words(fc.constantFrom('ZRANGEBYLEX', 'ZREVRANGEBYLEX'), lexKey, lexLimit, lexLimit, windowed),
]

const trimming = fc.oneof(
  words('MAXLEN', maybe(fc.constantFrom('=', '~')), fc.nat(6).map(String)),
  words('MINID', maybe(fc.constantFrom('=', '~')), fc.nat(12).map(String)),
)
const streams: readonly Arbitrary<Argv>[] = [
  words('XADD', key('log'), maybe('NOMKSTREAM'), maybe(trimming), streamId, pairsOf(member, value)),
  words('XADD', key('log'), streamId, pairsOf(member, value)),
  words('XLEN', key('log')),
  words(
    fc.constantFrom('XRANGE', 'XREVRANGE'),
    key('log'),
    streamBound,
    streamBound,
    maybe('COUNT', small),
  ),
  words(
    'XDEL',
    key('log'),
    some(fc.tuple(fc.nat(12), fc.nat(3)).map(([ms, seq]) => `${ms}-${seq}`)),
  ),
  words('XTRIM', key('log'), trimming),
  words(
    'XREAD',
    maybe('COUNT', small),
    'STREAMS',
    key('log'),
    key('log'),
    fc.constantFrom('0', '3', '$'),
    '0-1',
  ),
  words('XINFO', 'STREAM', key('log')),
]

const sketch = fc.constantFrom('hll1', 'hll2')
const hyperLogLogs: readonly Arbitrary<Argv>[] = [
  words('PFADD', sketch, some(bytes, 20)),
  words('PFADD', sketch, some(fc.nat(100_000).map(String), 200)),
  words('PFCOUNT', some(sketch)),
  words('PFMERGE', sketch, some(sketch)),
]

const scripts: readonly string[] = [
  'return redis.call(ARGV[1], KEYS[1])',
  'return redis.pcall(ARGV[1], KEYS[1], ARGV[2])',
  'redis.call("SET", KEYS[1], ARGV[2]); return redis.call("GET", KEYS[1])',
  'local n = redis.call("INCRBY", KEYS[1], 3); return {n, n / 2, tostring(n / 2), n .. ""}',
  'for i = 1, 3 do redis.call("RPUSH", KEYS[1], i * 1.5) end return redis.call("LRANGE", KEYS[1], 0, -1)',
  'local v = redis.call("GET", KEYS[1]); if v then return #v else return "none" end',
  'return cjson.encode({ARGV[2], tonumber(ARGV[2]), KEYS[1]})',
  'return {KEYS[1], false, ARGV[2], 3.99, {ok = "fine"}, {err = "MY bad"}}',
  'redis.call("HSET", KEYS[1], "f", ARGV[2]); redis.call("HINCRBY", KEYS[1], "n", 2); return redis.call("HGETALL", KEYS[1])',
  'local ok, e = pcall(redis.call, "INCR", KEYS[1]); return {tostring(ok), tostring(e)}',
  'redis.call("SET", KEYS[1], "before"); error("stop")',
  'return ARGV[2] + 1',
  'return string.format("%5.2f|%d|%s", 1/3, #ARGV[2], KEYS[1])',
  'local s = 0; for w in string.gmatch(ARGV[2], "%d") do s = s + tonumber(w) end return s',
]
const scripting: readonly Arbitrary<Argv>[] = [
  words(
    fc.constantFrom('EVAL', 'EVAL_RO'),
    fc.constantFrom(...scripts),
    '1',
    fc.constantFrom(...plainKeys),
    fc.constantFrom('GET', 'TYPE', 'TTL', 'LLEN', 'INCR', 'HGETALL', 'nope', 'SCARD'),
    value,
  ),
]

export const randomCommand: Arbitrary<Argv> = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(...strings) },
  { weight: 2, arbitrary: fc.oneof(...bits) },
  { weight: 2, arbitrary: fc.oneof(...keys) },
  { weight: 3, arbitrary: fc.oneof(...hashes) },
  { weight: 3, arbitrary: fc.oneof(...lists) },
  { weight: 3, arbitrary: fc.oneof(...sets) },
  { weight: 5, arbitrary: fc.oneof(...sortedSets) },
  { weight: 2, arbitrary: fc.oneof(...lexicographic) },
  { weight: 4, arbitrary: fc.oneof(...streams) },
  { weight: 1, arbitrary: fc.oneof(...hyperLogLogs) },
  { weight: 2, arbitrary: fc.oneof(...scripting) },
)
