import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import type { Call, RedisPort, Statement } from '@stoa/kernel'

/** What the posts of a member are to be counted as, and from which events that was counted. */
export type Recount = {
  readonly member: string
  /** As the counter was read; nothing when there was none. */
  readonly from: number | null
  readonly to: number
  readonly events: readonly string[]
}

/** What is shown of a subject, as it was read. */
export type Shown = { readonly kind: string; readonly id: string; readonly text: string }

export type RepairStore = {
  /**
   * Sets a counter that is still what it was when it was read; answers whether it did. The events that it has counted by
   * then are known to the inbox in the same batch, so that none of them counts again when it comes late. One round trip.
   */
  recount(recount: Recount, call: Call): Promise<boolean>
  /** Takes out of the hot view what still says so: whoever reads it next fills it anew. One round trip. Safe to repeat. */
  forget(shown: Shown, call: Call): Promise<void>
}

export function recountStatements(
  { member, from, to, events }: Recount,
  now: number,
): readonly Statement[] {
  const set: Statement =
    from === null
      ? {
          sql: `INSERT INTO counter (subject, metric, n) VALUES (?, 'posts', ?) ON CONFLICT DO NOTHING`,
          args: [member, to],
        }
      : {
          sql: `UPDATE counter SET n = ? WHERE subject = ? AND metric = 'posts' AND n = ?`,
          args: [to, member, from],
        }
  const heard = {
    sql: `INSERT INTO inbox (slot, consumer, event_id, at)
SELECT ?, 'stats', value, ? FROM json_each(?) WHERE changes() = 1 ON CONFLICT DO NOTHING`,
    args: [member, now, JSON.stringify(events)],
  }
  return [set, heard]
}

/** A value that was published in the meantime is another one, and stays. */
const forgetScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

export function repairStore(
  { router, clock }: Pick<KeyspaceAccess, 'router' | 'clock'>,
  hot: Pick<RedisPort, 'run'>,
): RepairStore {
  return {
    recount: async (recount, call) => {
      const statements = recountStatements(recount, clock.now())
      const [rows] = await router.write(recount.member, statements, call)
      return rows?.rowsAffected === 1
    },
    forget: async ({ kind, id, text }, call) => {
      await hot.run(['EVAL', forgetScript, 1, `${kind}:${id}`, text], call, { idempotent: true })
    },
  }
}
