/** What a session has written, as far as a replica may lack it. */
export type SessionToken = {
  /** The newest topology by which it wrote: an older one may not know who has the rows now. */
  readonly version: number
  /** By the name of the shard; the one named `*` stands for every shard that is not named. */
  readonly marks: ReadonlyMap<string, Mark>
}

/** Of one shard: up to where its stream of changes holds what was written, and when that was, in milliseconds. */
export type Mark = { readonly seq: number; readonly at: number }

/** The longest staleness that can be asked for. What was written before that, every replica in use has. */
export const maxStaleMsMax = 60_000

/** A mark is kept for twice as long: two clocks are seldom a minute apart. */
const markLifeMs = 2 * maxStaleMsMax

/** Shards in one token; older ones share the mark that sends reads of them to the primary. */
const marksMax = 32

/** What a header or a cookie takes; a token of 32 shards has about 700 characters. */
const textMax = 3_000

const anyShard = '*'

export const emptyToken: SessionToken = { version: 0, marks: new Map() }

const fieldForm = /^([\w.*-]{1,64})~([0-9a-z]{1,11}|\*)~([0-9a-z]{1,9})$/
const textForm = /^1!([0-9a-z]{1,11})((?:![^!]+)*)$/

function later(one: Mark | undefined, other: Mark): Mark {
  if (one === undefined) return other
  return { seq: Math.max(one.seq, other.seq), at: Math.max(one.at, other.at) }
}

/** The token of `marks` without those that are too old to matter, and with the oldest together when they are many. */
function tokenOf(version: number, marks: Iterable<readonly [string, Mark]>, now: number) {
  const alive = [...marks].filter(([, { at }]) => at + markLifeMs >= now)
  const newest = alive.toSorted(([, one], [, other]) => other.at - one.at)
  const kept = new Map(newest.slice(0, marksMax))
  for (const [, { at }] of newest.slice(marksMax))
    kept.set(anyShard, later(kept.get(anyShard), { seq: Infinity, at }))
  return { version: kept.size === 0 ? 0 : version, marks: kept }
}

/** The token with one more write. `seq` is Infinity when nobody knows whether it happened. */
export function marked(
  token: SessionToken,
  { shard, version, ...mark }: Mark & { readonly shard: string; readonly version: number },
): SessionToken {
  const marks = new Map(token.marks)
  marks.set(shard, later(marks.get(shard), mark))
  return tokenOf(Math.max(token.version, version), marks, mark.at)
}

/** Up to where a replica of `shard` must be; Infinity when only the primary will do. */
export function seqFor({ marks }: SessionToken, shard: string): number {
  return marks.get(shard)?.seq ?? marks.get(anyShard)?.seq ?? 0
}

function merged(one: SessionToken, other: SessionToken, now: number): SessionToken {
  const marks = new Map(one.marks)
  for (const [shard, mark] of other.marks) marks.set(shard, later(marks.get(shard), mark))
  // Of a shard that only one names, the other may hold more under the mark of all.
  for (const [shard, mark] of marks) {
    const hidden = [one, other].find((each) => !each.marks.has(shard))?.marks.get(anyShard)
    if (hidden !== undefined && shard !== anyShard) marks.set(shard, later(mark, hidden))
  }
  return tokenOf(Math.max(one.version, other.version), marks, now)
}

/** As text for a header or a cookie: letters, digits and `!~*._-`; empty when there is nothing to wait for. */
export function formatToken({ version, marks }: SessionToken): string {
  if (marks.size === 0) return ''
  const fields = [...marks].map(([shard, { seq, at }]) => {
    const place = Number.isFinite(seq) ? seq.toString(36) : '*'
    return `${shard}~${place}~${Math.ceil(at / 1000).toString(36)}`
  })
  return ['1', version.toString(36), ...fields].join('!')
}

/**
 * Reads a token that comes from outside. One that is no token sends every read of the session to the primaries: it may
 * have been one. Whoever makes tokens up can only have his own reads come late or from the primary.
 */
export function parseToken(text: string, now: number): SessionToken {
  if (text === '') return emptyToken
  const [, version, list = ''] = (text.length > textMax ? null : textForm.exec(text)) ?? []
  const fields = list.split('!').slice(1)
  const found = fields.map((field) => fieldForm.exec(field))
  if (version === undefined || found.includes(null))
    return { version: 0, marks: new Map([[anyShard, { seq: Infinity, at: now }]]) }
  const marks = found.map((parts): readonly [string, Mark] => {
    const [, shard = anyShard, seq = '*', at = ''] = parts ?? []
    const place = seq === '*' ? Infinity : Number.parseInt(seq, 36)
    return [shard, { seq: place, at: Math.min(now, Number.parseInt(at, 36) * 1000) }]
  })
  return tokenOf(Number.parseInt(version, 36), new Map(marks), now)
}

/**
 * One token that stands for both: of requests that ran side by side. At most 32 shards; more are sent to the primary
 * until their marks are two minutes old.
 */
export function mergeTokens(one: string, other: string, now: number): string {
  return formatToken(merged(parseToken(one, now), parseToken(other, now), now))
}
