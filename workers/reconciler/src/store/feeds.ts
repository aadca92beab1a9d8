import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { type Call, slotOfText, slotText, SqlConstraintError, type Statement } from '@stoa/kernel'
import { writeDigest } from '@stoa/reconciliation'

import type { FeedState, FeedStore } from '../domain/feeds.ts'
import { dayOf, digested, keyOfOperation, type MoneyEntry, type Source } from '../domain/money.ts'

type Router = KeyspaceAccess['router']

/** Entries of one batch: each has a digest to write. */
const batchMax = 100

function keyOf({ operation }: MoneyEntry): string {
  return keyOfOperation(operation)
}

function slotOfFeed(source: Source): string {
  return slotText(slotOfText(source))
}

async function readFeed(
  router: Router,
  source: Source,
  call: Call,
): Promise<FeedState | undefined> {
  const slot = slotOfFeed(source)
  const sql = 'SELECT position, complete_to, version FROM feed WHERE slot = ? AND name = ?'
  const [row] = (await router.read(slot, { sql, args: [slot, source] }, call)).rows
  if (row === undefined) return undefined
  return { position: String(row[0]), completeTo: Number(row[1]), version: Number(row[2]) }
}

/** A plain insert: an entry that is there already stops the batch, and with it the digests, which would count it twice. */
function insertEntries(source: Source, entries: readonly MoneyEntry[]): Statement {
  return {
    sql: `INSERT INTO money_entry (key, source, payment, kind, amount, currency, at)
SELECT value ->> 0, ?, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)`,
    args: [
      source,
      JSON.stringify(
        entries.map(({ operation, payment, kind, amount, currency, at }) => [
          keyOfOperation(operation),
          payment,
          kind,
          amount,
          currency,
          at,
        ]),
      ),
    ],
  }
}

function isKnown(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'unique' &&
    error.constraint.includes('money_entry.')
  )
}

async function unknownOf(
  router: Router,
  [source, entries]: readonly [Source, readonly MoneyEntry[]],
  call: Call,
): Promise<readonly MoneyEntry[]> {
  const sql = 'SELECT 1 AS known FROM money_entry WHERE key = ? AND source = ?'
  const answers = await router.readMany(
    entries.map(({ operation }) => {
      const key = keyOfOperation(operation)
      return { key, statement: { sql, args: [key, source] } }
    }),
    call,
  )
  return entries.filter((_, index) => answers[index]?.rows.length === 0)
}

async function keepAll(
  router: Router,
  [source, entries]: readonly [Source, readonly MoneyEntry[]],
  call: Call,
): Promise<void> {
  if (entries.length === 0) return
  const keys = entries.map(({ operation }) => keyOfOperation(operation))
  const digests = entries.map((entry) =>
    writeDigest({ entity: source, day: dayOf(entry.at) }, { after: digested(entry) }),
  )
  try {
    await router.writeAll(keys, [insertEntries(source, entries), ...digests], call)
  } catch (error) {
    if (!isKnown(error)) throw error
    const left = await unknownOf(router, [source, entries], call)
    if (left.length === entries.length) throw error
    await keepAll(router, [source, left], call)
  }
}

function isGone(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint.includes('feed.')
}

export function feedStore({ router }: Pick<KeyspaceAccess, 'router'>): FeedStore {
  return {
    read: (source, call) => readFeed(router, source, call),
    keep: async (source, entries, call) => {
      const distinct = [...new Map(entries.map((entry) => [entry.operation, entry])).values()]
      for (const group of await router.groups(distinct, keyOf, call)) {
        for (let start = 0; start < group.length; start += batchMax)
          await keepAll(router, [source, group.slice(start, start + batchMax)], call)
      }
    },
    advance: async (source, { before, after }, call) => {
      const slot = slotOfFeed(source)
      const values = [after.position, after.completeTo, after.version]
      const statement: Statement =
        before === undefined
          ? {
              sql: 'INSERT INTO feed (slot, name, position, complete_to, version) VALUES (?, ?, ?, ?, ?)',
              args: [slot, source, ...values],
            }
          : {
              sql: `UPDATE feed SET position = ?, complete_to = ?, version = CASE WHEN version = ? THEN ? END
WHERE slot = ? AND name = ?`,
              args: [after.position, after.completeTo, before.version, after.version, slot, source],
            }
      try {
        await router.write(slot, [statement], call)
        return true
      } catch (error) {
        if (!isGone(error)) throw error
        return false
      }
    },
  }
}
