import { type Call, slotOfKey, slotText, type Statement } from '@stoa/kernel'
import { inWaves, ownerOf, readableStates, type Router, xxh64 } from '@stoa/sharding'

import { type Fields, type Span } from './entry.ts'
import { canonicalFields } from './finding.ts'

/**
 * How many entries, and the sum of their 48-bit hashes modulo 2^48: the same for the same entries in any order. Two
 * sets that differ have the same digest once in 2^48.
 */
export type Digest = { readonly count: number; readonly hash: number }

export type DigestNode = Digest & { readonly prefix: string }

/** Digests of one side by how keys begin: of one entity and day, say. */
export type DigestSource = {
  /** What begins with `prefix`, by the first `length` characters; what holds nothing is left out. */
  nodes(prefix: string, length: number, call: Call): Promise<readonly DigestNode[]>
}

/** What a digest is made from: the key and the fields that both sides have alike, without times. */
export type Digested = { readonly key: string; readonly fields: Fields }

const modulus = 2 ** 48

/** Lengths of prefixes: all, then 16, 512 and 16,384 parts of a key space of ids, the last of which are its slots. */
const slotLevels: readonly number[] = [0, 1, 2, 3]

function hashOf({ key, fields }: Digested): number {
  const { hi, lo } = xxh64(`${key}\n${canonicalFields(fields)}`)
  return (hi >>> 16) * 2 ** 32 + (lo >>> 0)
}

function sum(one: Digest, other: Digest): Digest {
  return { count: one.count + other.count, hash: (one.hash + other.hash) % modulus }
}

/** What a change does to a digest: without `before` something is new, without `after` it is gone. */
function change(before: Digested | undefined, after: Digested | undefined): Digest {
  const gone = before === undefined ? 0 : modulus - hashOf(before)
  const come = after === undefined ? 0 : hashOf(after)
  const count = (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
  return { count, hash: (gone + come) % modulus }
}

export type DigestTree = DigestSource & {
  add(entry: Digested): void
}

/** The digests of a side that has none, such as a file: one pass, O(1) an entry and {@link DigestNode} kept. */
export function createDigestTree(levels: readonly number[] = slotLevels): DigestTree {
  const nodes = new Map<number, Map<string, Digest>>(levels.map((length) => [length, new Map()]))
  return {
    add: (entry) => {
      const added = change(undefined, entry)
      for (const [length, level] of nodes) {
        const prefix = entry.key.slice(0, length)
        const known = level.get(prefix)
        level.set(prefix, known === undefined ? added : sum(known, added))
      }
    },
    nodes: async (prefix, length) =>
      [...(nodes.get(length) ?? [])]
        .filter(([begins]) => begins.startsWith(prefix))
        .map(([begins, digest]) => ({ prefix: begins, ...digest })),
  }
}

/** What differs between two sides, and what it cost to know. */
export type Difference = {
  /** Ascending; neighbours are joined. Empty when the sides are equal. */
  readonly spans: readonly Span[]
  /** Digests that were looked at, of both sides. */
  readonly looked: number
}

function afterPrefix(prefix: string): string {
  return prefix === ''
    ? '\u{10ffff}'
    : prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}

function join(prefixes: readonly string[]): readonly Span[] {
  const spans: { from: string; to: string }[] = []
  for (const from of prefixes.toSorted()) {
    const last = spans.at(-1)
    if (last?.to === from) last.to = afterPrefix(from)
    else spans.push({ from, to: afterPrefix(from) })
  }
  return spans
}

/** Prefixes under which two lists of nodes do not agree. */
function differing(one: readonly DigestNode[], other: readonly DigestNode[]): readonly string[] {
  const known = new Map(other.map((node) => [node.prefix, node]))
  const wrong = one.filter(({ prefix, count, hash }) => {
    const twin = known.get(prefix)
    known.delete(prefix)
    return twin?.count !== count || twin.hash !== hash
  })
  return [...wrong.map(({ prefix }) => prefix), ...known.keys()]
}

/**
 * Finds where two sides differ by going down only where they do: one digest of each when they are equal, and for each
 * place that differs the digests beside it on each level. Keys are to be ASCII.
 */
export async function differingSpans(
  sides: readonly [DigestSource, DigestSource],
  call: Call,
  levels: readonly number[] = slotLevels,
): Promise<Difference> {
  let prefixes: readonly string[] = ['']
  let looked = 0
  for (const length of levels) {
    const next: string[] = []
    await inWaves(prefixes, async (prefix) => {
      const [one, other] = [
        await sides[0].nodes(prefix, length, call),
        await sides[1].nodes(prefix, length, call),
      ]
      looked += one.length + other.length
      next.push(...differing(one, other))
    })
    prefixes = next
  }
  return { spans: join(prefixes), looked }
}

/** The table that keeps digests beside the rows they are of, in their keyspace: one row a slot, entity and day. */
export const digestDdl = `CREATE TABLE reconciliation_digest (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  entity TEXT NOT NULL,
  -- What never changes about an entry: the day it was made, in days since 1970.
  day INTEGER NOT NULL,
  count INTEGER NOT NULL,
  hash INTEGER NOT NULL CHECK (hash >= 0 AND hash < ${modulus}),
  PRIMARY KEY (slot, entity, day)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX reconciliation_digest_day ON reconciliation_digest (entity, day, slot);
`

export type DigestScope = { readonly entity: string; readonly day: number }

/**
 * Carries a change of an entry into the digest of its slot: put it into the batch that makes the change, and after a
 * statement that aborts the batch when the change was made before. Keys begin with their slot.
 *
 * @throws InvalidIdError when the key begins with no slot.
 */
export function writeDigest(
  { entity, day }: DigestScope,
  { before, after }: { readonly before?: Digested; readonly after?: Digested },
): Statement {
  const slot = slotText(slotOfKey((after ?? before)?.key ?? ''))
  const { count, hash } = change(before, after)
  return {
    sql: `INSERT INTO reconciliation_digest (slot, entity, day, count, hash) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (slot, entity, day) DO UPDATE SET count = count + excluded.count, hash = (hash + excluded.hash) % ${modulus}`,
    args: [slot, entity, day, count, hash],
  }
}

/**
 * The digests of a keyspace that keeps them by {@link writeDigest}. A question reads the rows of its slots, at most
 * 16,384, and costs one round trip for each shard. While a slot moves it may be missed or met twice: then it differs,
 * and is compared for nothing.
 */
export function digestsOf(
  keyspace: Pick<Router, 'shards'>,
  { entity, day }: DigestScope,
): DigestSource {
  return {
    nodes: async (prefix, length, call) => {
      const sql = `SELECT substr(slot, 1, ?) AS prefix, sum(count), sum(hash) % ${modulus} FROM reconciliation_digest
WHERE entity = ? AND day = ? AND slot >= ? AND slot < ? AND ${ownerOf('slot', 'state')} IN ${readableStates}
GROUP BY 1 HAVING sum(count) <> 0 OR sum(hash) % ${modulus} <> 0`
      const args = [length, entity, day, prefix, afterPrefix(prefix)]
      const nodes = new Map<string, Digest>()
      await inWaves(await keyspace.shards(call), async (shard) => {
        const [answer] = await shard.batch([{ sql, args }], 'read', call)
        for (const [begins, count, hash] of answer?.rows ?? []) {
          const known = nodes.get(String(begins)) ?? { count: 0, hash: 0 }
          nodes.set(String(begins), sum(known, { count: Number(count), hash: Number(hash) }))
        }
      })
      return [...nodes].map(([begins, digest]) => ({ prefix: begins, ...digest }))
    },
  }
}
