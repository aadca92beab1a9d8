import { type Call, type Clock, type Rows, slotOfId, slotText, type SqlValue } from '@stoa/kernel'
import type { Query, Router } from '@stoa/sharding'

import { SplitBucketError } from './faults.ts'
import type { Total, Totals } from './hot-view.ts'
import type { Kind } from './kind.ts'
import { decodePage } from './page.ts'
import { bucketKey, bucketOf, pageOf, rowKeyOf, slotsPerBucket } from './subject.ts'

/** What counting asks of its keyspace. Its slots must lie, and move, in whole buckets of 64. */
export type CountRouter = Pick<Router, 'writeAll' | 'readMany' | 'groups'>

export function firstSlot(bucket: number): number {
  return bucket * slotsPerBucket
}

/** Items by shard, and those of buckets that the map has in two shards. */
export type Sharded<T> = {
  readonly groups: readonly (readonly T[])[]
  readonly split: readonly T[]
}

/** `items` by the shard of their bucket; `slotsOf` gives all slots of an item, which lie in one bucket. */
export async function byShard<T>(
  router: CountRouter,
  {
    items,
    slotsOf,
  }: { readonly items: readonly T[]; readonly slotsOf: (item: T) => readonly number[] },
  call: Call,
): Promise<Sharded<T>> {
  const named = items.flatMap(slotsOf)
  const slots = new Set([...named, ...named.map((slot) => firstSlot(bucketOf(slot)))])
  const groups = await router.groups([...slots], (slot) => slot, call)
  const groupOfBucket = new Map<number, number>()
  const split = new Set<number>()
  for (const [group, members] of groups.entries()) {
    for (const bucket of new Set(members.map(bucketOf))) {
      if (groupOfBucket.has(bucket)) split.add(bucket)
      groupOfBucket.set(bucket, group)
    }
  }
  const bucketOfItem = (item: T) => bucketOf(slotsOf(item)[0] ?? 0)
  const whole = items.filter((item) => !split.has(bucketOfItem(item)))
  return {
    groups: [...Map.groupBy(whole, (item) => groupOfBucket.get(bucketOfItem(item))).values()],
    split: items.filter((item) => split.has(bucketOfItem(item))),
  }
}

/** As {@link byShard}, for a caller who needs all of them. @throws SplitBucketError */
export async function byShardOrThrow<T>(
  router: CountRouter,
  by: { readonly items: readonly T[]; readonly slotsOf: (item: T) => readonly number[] },
  call: Call,
): Promise<readonly (readonly T[])[]> {
  const { groups, split } = await byShard(router, by, call)
  const [stray] = split
  if (stray !== undefined) throw new SplitBucketError(bucketOf(by.slotsOf(stray)[0] ?? 0))
  return groups
}

/** Rows of one bucket and kind, as JSON: id, slot, rest of the id, page. */
function keysOf(kind: Kind, ids: readonly string[]): string {
  return JSON.stringify(
    ids.map((id) => {
      const { slot, rest } = rowKeyOf(id)
      return [id, slot, rest, slotText(pageOf(slotOfId(id), kind.pagesPerBucket ?? 1))]
    }),
  )
}

function sameRow(alias: string): string {
  return `${alias}.slot = r.value ->> 1 AND ${alias}.id = unhex(r.value ->> 2)`
}

function joined(kind: Kind): string {
  return `json_each(?) AS r LEFT JOIN count_${kind.name} AS c ON ${sameRow('c')}
LEFT JOIN count_thaw AS t ON ${sameRow('t')} AND t.kind = '${kind.name}'`
}

function rowsQuery(kind: Kind, bucket: number, keys: string): Query {
  const values = kind.metrics.map(({ name }, index) => `c.${name} AS v${index}`)
  return {
    key: firstSlot(bucket),
    statement: {
      sql: `SELECT r.value ->> 0 AS id, (SELECT seq FROM count_bucket WHERE slot = ?) AS seq,
c.slot IS NULL OR t.slot IS NOT NULL AS cold, ${values.join(', ')} FROM ${joined(kind)}`,
      args: [bucketKey(bucket), keys],
    },
  }
}

/** The pages that may hold what has no row, or a row that does not say everything. */
function pagesQuery(kind: Kind, bucket: number, keys: string): Query {
  return {
    key: firstSlot(bucket),
    statement: {
      sql: `SELECT slot AS page, body AS body FROM count_page WHERE kind = ? AND slot IN
(SELECT r.value ->> 3 FROM ${joined(kind)} WHERE c.slot IS NULL OR t.slot IS NOT NULL)`,
      args: [kind.name, keys],
    },
  }
}

function bytesOf(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array()
}

function addPages(totals: Map<string, Total>, cold: ReadonlySet<string>, pages: Rows): void {
  for (const [page, body] of pages.rows) {
    const entries = decodePage(bytesOf(body), parsePage(page))
    for (const id of cold) {
      const values = entries.get(id)
      const total = totals.get(id)
      if (values === undefined || total === undefined) continue
      const summed = total.values.map((value, metric) => value + (values[metric] ?? 0))
      totals.set(id, { ...total, values: summed })
    }
  }
}

function parsePage(page: SqlValue | undefined): number {
  return slotOfId(`${String(page)}00000000000000000`)
}

/**
 * The totals of `ids` as their shards have them at this moment: rows, and for what has none the cold pages. Every id is
 * answered; one that was never counted has zeros. One round trip for each shard touched.
 *
 * @throws as {@link Router.readMany}, and SplitBucketError.
 */
export async function readTotals(
  { router, clock }: { readonly router: CountRouter; readonly clock: Clock },
  { kind, ids }: { readonly kind: Kind; readonly ids: readonly string[] },
  call: Call,
): Promise<Totals> {
  const distinct = [...new Set(ids)]
  await byShardOrThrow(router, { items: distinct, slotsOf: (id) => [slotOfId(id)] }, call)
  const buckets = [...Map.groupBy(distinct, (id) => bucketOf(slotOfId(id)))]
  const isFreezable = kind.pagesPerBucket !== undefined
  const queries = buckets.flatMap(([bucket, some]) => {
    const keys = keysOf(kind, some)
    const rows = rowsQuery(kind, bucket, keys)
    return isFreezable ? [rows, pagesQuery(kind, bucket, keys)] : [rows]
  })
  const at = clock.now()
  const answers = await router.readMany(queries, call)
  const totals = new Map<string, Total>()
  const cold = new Set<string>()
  for (const answer of answers) {
    if (answer.columns[0] === 'page') {
      addPages(totals, cold, answer)
      continue
    }
    for (const [id, seq, isCold, ...values] of answer.rows) {
      totals.set(String(id), { values: values.map(Number), seq: Number(seq ?? 0), at })
      if (isCold === 1) cold.add(String(id))
    }
  }
  return totals
}
