import { clientOf, type Links } from '@stoa/contracts'
import { catalog } from '@stoa/contracts/catalog'
import { notifier } from '@stoa/contracts/notifier'
import { social } from '@stoa/contracts/social'
import { recountedMax, stats } from '@stoa/contracts/stats'
import { users } from '@stoa/contracts/users'
import { warehouse } from '@stoa/contracts/warehouse'
import { type Call, Fault, prefixOf, typedId } from '@stoa/kernel'

import type { Repair, Repairs } from '../domain/repairs.ts'
import { hotKinds } from './comparisons/hot-view.ts'
import type { ReaderOf } from './pages.ts'

/** The counter counted on while it was being recounted. */
export class RecountOvertakenError extends Fault {
  override readonly name = 'RecountOvertakenError'
  override readonly code = 'recount_overtaken'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor(key: string) {
    super(`Cannot recount "${key}": it has changed since it was read`)
  }
}

type Deps = { readonly readerOf: ReaderOf }
type Fetchers = Pick<Links, 'fetcher'>

/** A person alone may not free stock, or send again what was sent again before; two may. */
function isOrdered({ ordered }: Parameters<Repair>[0]): boolean {
  return ordered !== undefined
}

/**
 * What is counted of a member, and what is there to be counted, with the events that told of it: as long as an outbox has
 * them they may be under way. The counter first: what it counts after that, the service finds.
 */
async function readPosts({ readerOf }: Deps, member: string, call: Call) {
  const counter = `SELECT n AS n FROM counter WHERE subject = ? AND metric = 'posts'`
  const [counted] = await readerOf('stats').readMany(
    [{ key: member, statement: { sql: counter, args: [member] } }],
    call,
  )
  const place = prefixOf(member)
  const posts = `SELECT (SELECT count(*) FROM post AS p WHERE p.author = ?) AS posts, (SELECT json_group_array(n.id) FROM (
  SELECT e.id FROM outbox AS e WHERE e.id >= ? AND e.id < ? AND e.type = 'post.created' AND e.payload ->> 'author' = ?
  ORDER BY e.created_at DESC LIMIT ${recountedMax}) AS n) AS events`
  const args = [member, place, `${place}~`, member]
  const [there] = await readerOf('social').readMany(
    [{ key: member, statement: { sql: posts, args } }],
    call,
  )
  const [to, events] = there?.rows[0] ?? []
  const n = counted?.rows[0]?.[0]
  return {
    from: n === undefined ? null : Number(n),
    to: Number(to),
    // Made by the statement above.
    events: JSON.parse(String(events)) as readonly string[],
  }
}

function recountPosts({ fetcher }: Fetchers, deps: Deps): Repair {
  return async ({ key }, call) => {
    const { from, to, events } = await readPosts(deps, key, call)
    if (from === to) return
    const body = {
      member: typedId('usr', key),
      from,
      to,
      events: events.map((event) => typedId('evt', event)),
    }
    const { isChanged } = await clientOf(stats, fetcher('stats')).recountPosts({ body }, call)
    if (!isChanged) throw new RecountOvertakenError(key)
  }
}

type Entry = { readonly keyspace: string; readonly kind: string }

/** Whom an entry of an index leads to now. */
async function ownerOf(
  { readerOf }: Deps,
  { keyspace, kind, key }: Entry & { key: string },
  call: Call,
) {
  const [slot, text] = [key.slice(0, 3), key.slice(4)]
  const sql = 'SELECT owner_id AS owner FROM lookup WHERE slot = ? AND kind = ? AND text = ?'
  const query = { key: slot, statement: { sql, args: [slot, kind, text] } }
  const [found] = await readerOf(keyspace).readMany([query], call)
  const owner = found?.rows[0]?.[0]
  return owner === undefined ? undefined : { owner: String(owner), text }
}

/** Rows are kept as they are; what leads to them is made anew by whoever has both. */
function indexRepairs({ fetcher }: Fetchers, deps: Deps): Repairs {
  const ofMember = (kind: 'handle' | 'email'): Repairs => ({
    [`${kind}s/copy_twin`]: async ({ key }, call) => {
      const body = { kind, member: typedId('usr', key) }
      await clientOf(users, fetcher('users')).mendMemberClaim({ body }, call)
    },
    [`${kind}_claims/copy_twin`]: async ({ key }, call) => {
      const found = await ownerOf(deps, { keyspace: 'users', kind, key }, call)
      if (found === undefined) return
      const body = { kind, member: typedId('usr', found.owner), text: found.text }
      await clientOf(users, fetcher('users')).mendMemberClaim({ body }, call)
    },
  })
  return {
    ...ofMember('handle'),
    ...ofMember('email'),
    'skus/copy_twin': async ({ key }, call) => {
      const body = { product: typedId('prd', key) }
      await clientOf(catalog, fetcher('catalog')).mendProductClaim({ body }, call)
    },
    'sku_claims/copy_twin': async ({ key }, call) => {
      const found = await ownerOf(deps, { keyspace: 'catalog', kind: 'sku', key }, call)
      if (found === undefined) return
      const body = { product: typedId('prd', found.owner), sku: found.text }
      await clientOf(catalog, fetcher('catalog')).mendProductClaim({ body }, call)
    },
  }
}

const prefixes = { member: 'usr', product: 'prd', post: 'pst' } as const

function hotViewRepairs({ fetcher }: Fetchers): Repairs {
  return Object.fromEntries(
    hotKinds.map((kind): [string, Repair] => [
      `hot_${kind}/refill_hot_view`,
      async ({ key, said }, call) => {
        const body = { kind, subject: typedId(prefixes[kind], key), shown: String(said['view']) }
        await clientOf(stats, fetcher('stats')).refillHotView({ body }, call)
      },
    ]),
  )
}

/** Repairs of rows that can be made anew from others: each service recomputes its own, in one batch. */
export function rowRepairs(links: Fetchers, deps: Deps): Repairs {
  const { fetcher } = links
  const recountProfile: Repair = async ({ key }, call) => {
    const body = { member: typedId('usr', key) }
    await clientOf(social, fetcher('social')).recountProfile({ body }, call)
  }
  return {
    'stock/rebuild_reserved': async (mending, call) => {
      const body = { cell: typedId('prd', mending.key), mayFree: isOrdered(mending) }
      await clientOf(warehouse, fetcher('warehouse')).rebuildReserved({ body }, call)
    },
    'deliveries/rearm_delivery': async (mending, call) => {
      const [member = '', event = '', endpoint = ''] = mending.key.split(':')
      const body = {
        member: typedId('usr', member),
        event: typedId('evt', event),
        endpoint: typedId('whe', endpoint),
        again: isOrdered(mending),
      }
      await clientOf(notifier, fetcher('notifier')).rearmDelivery({ body }, call)
    },
    'profile_followers/recount': recountProfile,
    'profile_following/recount': recountProfile,
    'profile_posts/recount': recountProfile,
    'counted_posts/recount': recountPosts(links, deps),
    ...indexRepairs(links, deps),
    ...hotViewRepairs(links),
  }
}
