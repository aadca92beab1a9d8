import type { Clock } from '@stoa/kernel'
import { type Judge, judgeCounts, judgeTwins, type Side } from '@stoa/reconciliation'

import { halved, named } from '../../domain/judges.ts'
import type { Change, Plan } from '../../domain/plan.ts'
import { lookedUpSide, type Page, type ReaderOf, tableSide } from '../pages.ts'

/** The fast path, the relay's sweeps and the queue's first retries. */
const settleMs = 900_000

type Deps = { readonly readerOf: ReaderOf; readonly clock: Clock }

const follows: Page = {
  columns: ['f.follower', 'f.followee'],
  select: (
    where,
  ) => `SELECT f.follower || ':' || f.followee AS key, f.at AS at, f.version AS version, f.active AS active
FROM follow AS f WHERE ${where}`,
}

const followers: Page = {
  columns: ['f.followee', 'f.follower'],
  select: (
    where,
  ) => `SELECT f.followee || ':' || f.follower AS key, f.at AS at, f.version AS version, f.active AS active
FROM follower AS f WHERE ${where}`,
}

function pairOf(key: string): readonly [lead: string, other: string] {
  return [key.slice(0, 20), key.slice(21)]
}

const copyOf = 'SELECT version, active, at FROM follower WHERE followee = ? AND follower = ?'
const originalOf = 'SELECT version, active, at FROM follow WHERE follower = ? AND followee = ?'

/** The other copy of each edge of `lead`: it lies with the other of the two. */
function otherSide(lead: Side, sql: string, { readerOf }: Deps): Side {
  return lookedUpSide(`other of ${lead.name}`, {
    lead,
    reader: readerOf('social'),
    lookupsOf: ({ key }) => {
      const [own, other] = pairOf(key)
      return [{ key: other, statement: { sql, args: [other, own] } }]
    },
    entriesOf: ({ key }, [found]) =>
      (found?.rows ?? []).map(([version, active, at]) => ({
        key,
        at: Number(at),
        fields: { version: Number(version), active: Number(active) },
      })),
  })
}

function edgeOf({ data }: Change): readonly string[] {
  return [`${String(data['follower'])}:${String(data['followee'])}`]
}

/** A copy without an original: what the other way round cannot see. The rest is found there. */
const judgeOrphans: Judge = (group, look) =>
  group.entries[0]?.length === 0 ? judgeTwins(group, look) : []

export function twinsPlans(deps: Deps): readonly Plan[] {
  const { readerOf, clock } = deps
  const reader = readerOf('social')
  const originals = tableSide('follow', { reader, page: follows, clock })
  const copies = tableSide('follower', { reader, page: followers, clock })
  return [
    {
      comparison: {
        name: 'twins',
        settleMs,
        sides: [originals, otherSide(originals, copyOf, deps)],
        judge: named('twins', judgeTwins),
      },
      changes: {
        keyspace: 'social',
        types: ['member.followed', 'member.unfollowed'],
        keysOf: edgeOf,
      },
    },
    {
      comparison: {
        name: 'orphan_twins',
        settleMs,
        sides: [otherSide(copies, originalOf, deps), copies],
        judge: named('orphan_twins', judgeOrphans),
      },
    },
  ]
}

/** A count of a profile and the rows that it counts, at one moment: they lie with the member. */
function profilePage(column: string, rows: string): Page {
  return {
    columns: ['p.member'],
    select: (
      where,
    ) => `SELECT p.member AS key, 0 AS at, p.${column} AS value, (SELECT count(*) FROM ${rows}) AS sum
FROM profile AS p WHERE ${where}`,
  }
}

const profileCounts = {
  followers: 'follower AS f WHERE f.followee = p.member AND f.active = 1',
  following: 'follow AS f WHERE f.follower = p.member AND f.active = 1',
  posts: 'post AS f WHERE f.author = p.member',
} as const

export function profilePlans({ readerOf, clock }: Deps): readonly Plan[] {
  return Object.entries(profileCounts).map(([column, rows]) => {
    const name = `profile_${column}`
    const page = profilePage(column, rows)
    return {
      comparison: {
        name,
        settleMs: 0,
        sides: [tableSide(name, { reader: readerOf('social'), page, clock })],
        judge: named(
          name,
          halved(judgeCounts(), ({ sum = 0, value = 0 }) => [{ value: sum }, { value }]),
        ),
      },
    }
  })
}

const authors: Page = {
  columns: ['p.member'],
  select: (where) => `SELECT p.member AS key,
  coalesce((SELECT t.created_at FROM post AS t WHERE t.author = p.member ORDER BY t.id DESC LIMIT 1), 0) AS at,
  (SELECT count(*) FROM post AS t WHERE t.author = p.member) AS value
FROM profile AS p WHERE ${where}`,
}

const countedPosts: Page = {
  columns: ['c.subject'],
  select: (where) =>
    `SELECT c.subject AS key, 0 AS at, c.n AS value FROM counter AS c WHERE c.metric = 'posts' AND ${where}`,
}

/** What stats has counted from events, and the rows that they were about. */
export function countedPostsPlan({ readerOf, clock }: Deps): Plan {
  const name = 'counted_posts'
  return {
    comparison: {
      name,
      settleMs,
      sides: [
        tableSide('posts', { reader: readerOf('social'), page: authors, clock }),
        tableSide('counter', { reader: readerOf('stats'), page: countedPosts, clock }),
      ],
      judge: named(name, judgeCounts()),
    },
  }
}
