import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { profile } from '@stoa/data/social'
import { type Statement } from '@stoa/kernel'
import type { Query } from '@stoa/sharding'
import { inWaves } from '@stoa/sharding'
import { eq } from 'drizzle-orm'

import type { ProfileStore } from '../domain/ports.ts'
import { db } from './builder.ts'
import { recountStatement } from './recount.ts'

/** Asks whether there is a profile: one row or none. Rides beside other reads of the member's slot. */
export function profileQuery(member: string): Query {
  return {
    key: member,
    statement: { sql: 'SELECT member FROM profile WHERE member = ?', args: [member] },
  }
}

/** Makes the profiles that are not there yet. */
function addProfiles(members: readonly string[]): Statement {
  return {
    sql: 'INSERT INTO profile (member) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING',
    args: [JSON.stringify(members)],
  }
}

export function profileStore({ router, committer }: KeyspaceAccess): ProfileStore {
  return {
    // No inbox row: a profile that is there already stays as it is, so a repeat changes nothing by itself.
    add: async (members, call) => {
      const groups = await router.groups([...new Set(members)], (member) => member, call)
      await inWaves(groups, async (group) => {
        const statements = [addProfiles(group)]
        await committer.commit({ keys: group, statements, events: [] }, call)
      })
    },
    known: async (members, call) => {
      const answers = await router.readMany(members.map(profileQuery), call)
      return new Set(members.filter((_member, index) => answers[index]?.rows.length === 1))
    },
    recount: async (member, call) => {
      const [rows] = await router.write(member, [recountStatement(member)], call)
      return rows?.rowsAffected === 1
    },
    counts: async (member, call) => {
      const query = db
        .select({
          posts: profile.posts,
          followers: profile.followers,
          following: profile.following,
        })
        .from(profile)
        .where(eq(profile.member, member))
        .limit(1)
      const rows = await router.read(member, statement(query), call)
      const [counts] = await rowsOf(query, rows)
      return counts
    },
  }
}
