import type { Call, SqlShard, Statement } from '@stoa/kernel'
import { isWritable } from '@stoa/sharding'

/** What must hold in a ledger at every instant. */
export type LedgerRule =
  | 'entry_balanced'
  | 'entry_dense'
  | 'entry_posted'
  | 'balance_is_postings'
  | 'balance_not_negative'
  | 'frozen_is_holds'

/** A rule that an account breaks: a bug or a hand on the data, never noise. */
export type LedgerBreach = {
  readonly rule: LedgerRule
  readonly account: string
  readonly detail: string
}

/** The accounts `from <= account < to`: audit a large shard in ranges. */
export type AccountRange = { readonly from: string; readonly to: string }

const everything: AccountRange = { from: '', to: '~' }

/** One SELECT for each rule, giving account and detail of what breaks it. */
const rules: Readonly<Record<LedgerRule, string>> = {
  entry_balanced: `SELECT account, 'entry ' || seq FROM journal WHERE @range AND EXISTS (
  SELECT 1 FROM json_each(lines) GROUP BY value ->> 1 HAVING sum(value ->> 2) <> 0)`,
  entry_dense: `SELECT account, max(seq) || ' after ' || count(*) || ' entries' FROM journal WHERE @range
GROUP BY account HAVING max(seq) <> count(*)`,
  entry_posted: `SELECT account, 'entry ' || seq FROM journal WHERE @range AND (
  json_array_length(lines) <> (SELECT count(*) FROM posting
    WHERE posting.account = journal.account AND posting.seq = journal.seq)
  OR EXISTS (SELECT 1 FROM json_each(journal.lines) AS line WHERE NOT EXISTS (SELECT 1 FROM posting
    WHERE posting.account = journal.account AND posting.seq = journal.seq AND book = line.value ->> 0
      AND currency = line.value ->> 1 AND amount = line.value ->> 2)))`,
  balance_is_postings: `SELECT account, book || ' ' || currency FROM balance WHERE @range
AND (credit, -debit) IS NOT (SELECT coalesce(sum(max(amount, 0)), 0), coalesce(sum(min(amount, 0)), 0) FROM posting
  WHERE posting.account = balance.account AND posting.book = balance.book AND posting.currency = balance.currency)`,
  balance_not_negative: `SELECT account, book || ' ' || currency FROM balance WHERE @range AND limited = 1 AND credit < debit`,
  frozen_is_holds: `SELECT account, currency FROM balance WHERE @range AND book = 'frozen' AND credit - debit <> (
  SELECT coalesce(sum(amount - captured - released), 0) FROM hold
  WHERE hold.account = balance.account AND hold.currency = balance.currency AND direction = 'out')`,
}

function ruleStatement(rule: LedgerRule, { from, to }: AccountRange): Statement {
  const range = `account >= ? AND account < ? AND ${isWritable('account')}`
  return { sql: rules[rule].replace('@range', range), args: [from, to] }
}

/**
 * Checks every rule of the ledger of one database, in one snapshot and one round trip. Reads all entries of the range;
 * accounts that another database serves are left out.
 */
export async function auditLedger(
  shard: SqlShard,
  call: Call,
  range: AccountRange = everything,
): Promise<readonly LedgerBreach[]> {
  const names = Object.keys(rules) as readonly LedgerRule[]
  const answers = await shard.batch(
    names.map((rule) => ruleStatement(rule, range)),
    'read',
    call,
  )
  return names.flatMap((rule, index) =>
    (answers[index]?.rows ?? []).map(([account, detail]) => ({
      rule,
      account: String(account),
      detail: String(detail),
    })),
  )
}

/** The sum of one book over all accounts of a database, by currency. Over all databases `clearing` is what is under way. */
export async function totalOf(
  shard: SqlShard,
  book: string,
  call: Call,
): Promise<ReadonlyMap<string, number>> {
  const sql = `SELECT currency, sum(credit - debit) FROM balance WHERE book = ? AND ${isWritable('account')} GROUP BY currency`
  const [answer] = await shard.batch([{ sql, args: [book] }], 'read', call)
  return new Map((answer?.rows ?? []).map(([currency, sum]) => [String(currency), Number(sum)]))
}
