import type { Statement } from '@stoa/kernel'

import type { EdgeChange, EdgeNews } from '../domain/ports.ts'

/** How long the fast path has to publish before a sweep takes the event up, in milliseconds. As in messaging. */
const fastPathMs = 10_000

const wishes = `(SELECT value ->> 0 AS follower, value ->> 1 AS followee, value ->> 2 AS id, value ->> 3 AS event
FROM json_each(?)) AS w`

/**
 * The wishes that change something: their edge has the other state, or is not there and is to begin. A wish whose
 * event is written was fulfilled by an earlier sending of this very batch, and is left alone.
 */
const changing = `${wishes}
LEFT JOIN follow AS f ON f.follower = w.follower AND f.followee = w.followee
WHERE coalesce(f.active, 0) <> ? AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.id = w.event)`

/**
 * Fulfils wishes for edges, all of one shard, in one batch: the counts by what is there now, then the events under the
 * next version of each edge, then the edges as their events say, at last the events that happened.
 *
 * Only the database knows whether an edge is there, under which id and at which version; asking first would cost
 * another round trip, and a race. Every statement is exact against concurrent batches, because a batch is alone in its
 * database, and harmless when the batch is sent twice.
 */
export function edgeStatements(
  { active, at, wishes: list }: EdgeChange,
  cause: string,
): readonly Statement[] {
  const edges = JSON.stringify(list.map((w) => [w.follower, w.followee, w.id, w.event]))
  const state = active ? 1 : 0
  return [
    {
      // A session proves the member, whose registration may still be on its way here.
      sql: `INSERT INTO profile (member) SELECT DISTINCT w.follower FROM ${changing} ON CONFLICT DO NOTHING`,
      args: [edges, state],
    },
    {
      sql: `UPDATE profile SET following = following + d.delta, version = version + 1
FROM (SELECT w.follower AS member, count(*) * ? AS delta FROM ${changing} GROUP BY w.follower) AS d
WHERE profile.member = d.member`,
      args: [active ? 1 : -1, edges, state],
    },
    {
      sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, causation, created_at, next_at)
SELECT w.event, 'member', ?, coalesce(f.id, w.id), coalesce(f.version, 0) + 1,
json_object('follower', w.follower, 'followee', w.followee), ?, ?, ? FROM ${changing}`,
      args: [typeOf(active), cause, at, at + fastPathMs, edges, state],
    },
    {
      sql: `INSERT INTO follow (follower, followee, id, version, active, at)
SELECT w.follower, w.followee, o.okey, o.seq, ?, ? FROM ${wishes} JOIN outbox AS o ON o.id = w.event WHERE true
ON CONFLICT (follower, followee) DO UPDATE SET version = excluded.version, active = excluded.active, at = excluded.at
WHERE excluded.version = follow.version + 1`,
      args: [state, at, edges],
    },
    {
      sql: `SELECT o.id, o.okey, o.seq FROM ${wishes} JOIN outbox AS o ON o.id = w.event`,
      args: [edges],
    },
  ]
}

export function typeOf(active: boolean): 'member.followed' | 'member.unfollowed' {
  return active ? 'member.followed' : 'member.unfollowed'
}

const news = `(SELECT value ->> 0 AS followee, value ->> 1 AS follower, value ->> 2 AS version, value ->> 3 AS active,
value ->> 4 AS at FROM json_each(?)) AS j`

/**
 * Brings twins up to date, all of one shard: the counts by the difference to what is there now, then the twins, whose
 * larger version wins.
 *
 * No inbox row: an event whose version is not larger than the twin's changes nothing, which a repeat never is. So
 * all events of a shard share two statements, and need no row each.
 */
export function twinStatements(edges: readonly EdgeNews[]): readonly Statement[] {
  const list = JSON.stringify(
    edges.map((e) => [e.followee, e.follower, e.version, e.active ? 1 : 0, e.at]),
  )
  return [
    {
      sql: `UPDATE profile SET followers = followers + d.delta, version = version + 1
FROM (SELECT j.followee AS member, sum(j.active - coalesce(f.active, 0)) AS delta FROM ${news}
LEFT JOIN follower AS f ON f.followee = j.followee AND f.follower = j.follower
WHERE j.version > coalesce(f.version, 0) GROUP BY j.followee) AS d
WHERE profile.member = d.member AND d.delta <> 0`,
      args: [list],
    },
    {
      sql: `INSERT INTO follower (followee, follower, version, active, at)
SELECT j.followee, j.follower, j.version, j.active, j.at FROM ${news} WHERE true
ON CONFLICT (followee, follower) DO UPDATE SET version = excluded.version, active = excluded.active, at = excluded.at
WHERE excluded.version > follower.version`,
      args: [list],
    },
  ]
}

/** The newest posts, at most `max` of each of `authors`, all of one shard. */
export function newestPosts(authors: readonly string[], max: number): Statement {
  return {
    sql: `SELECT p.id, p.author, p.text, p.created_at FROM json_each(?) AS a CROSS JOIN post AS p ON p.author = a.value
WHERE p.id >= coalesce((SELECT l.id FROM post AS l WHERE l.author = a.value ORDER BY l.id DESC LIMIT 1 OFFSET ?), '')`,
    args: [JSON.stringify([...new Set(authors)]), max - 1],
  }
}
