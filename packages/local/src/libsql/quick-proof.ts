import type { Connection } from './connection.ts'
import type { Statement } from './statement.ts'
import { isWord, tokensOf } from './tokens.ts'

/** Words that may stand before a bracket: grammar, and functions whose cost is bounded by the size of what they are given. */
const cheapBeforeBracket = new Set(
  (
    'SELECT FROM WHERE ON JOIN AND OR NOT IN EXISTS AS CASE WHEN THEN ELSE ' +
    'ABS COALESCE COUNT IFNULL IIF JSON JSON_ARRAY JSON_EXTRACT JSON_OBJECT LENGTH LOWER MAX MIN NULLIF SUM TYPEOF UPPER'
  ).split(' '),
)
/** Operators whose cost no plan shows; IS finds every NULL, of which even a unique key may hold many. */
const costly = /^(?:LIKE|GLOB|MATCH|REGEXP|OVER|WINDOW|IS|ISNULL)$/i

/**
 * Whether a statement reads at most one row of each table it names, so that it cannot be slow, whatever its arguments
 * and however large the tables: a plain SELECT, cheap functions only, and a plan that is nothing but look-ups of whole
 * unique keys. Wrongly refused is fine; wrongly allowed is not.
 *
 * True for the present schema only.
 */
export function isProvenQuick(statement: Statement, connection: Connection): boolean {
  if (!isPlain(statement.sql)) return false
  const plan = connection.readAll(`EXPLAIN QUERY PLAN ${statement.sql}`)
  return plan.every((row) => isLookup(String(row[3]), connection))
}

function isPlain(sql: string): boolean {
  const tokens = [...tokensOf(sql)]
  if (!isWord(tokens[0], 'SELECT')) return false
  // Two lists would multiply.
  if (tokens.filter((token) => isWord(token, 'IN')).length > 1) return false
  return tokens.every((token, i) => {
    if (token.kind === 'word') return !costly.test(token.text)
    if (token.text !== '(') return true
    const before = tokens[i - 1]
    return before?.kind !== 'word' || cheapBeforeBracket.has(before.text.toUpperCase())
  })
}

function isLookup(detail: string, connection: Connection): boolean {
  const step = detail.replace(/ LEFT-JOIN$/, '')
  if (step === 'SCAN CONSTANT ROW') return true
  if (/^SEARCH \S+ USING INTEGER PRIMARY KEY \(rowid=\?\)$/.test(step)) return true
  const byIndex = /^SEARCH \S+ USING (?:COVERING )?INDEX (\S+) \(([^()]*)\)$/.exec(step)
  if (byIndex !== null) return isWholeIndex(byIndex[1] ?? '', termsOf(byIndex[2]), connection)
  const byKey = /^SEARCH (\S+) USING PRIMARY KEY \(([^()]*)\)$/.exec(step)
  return byKey !== null && isWholeKey(byKey[1] ?? '', termsOf(byKey[2]), connection)
}

/** The number of columns a look-up fixes, or NaN when one is only bounded. */
function termsOf(list = ''): number {
  const terms = list.split(' AND ')
  return terms.every((term) => /^[^<>=]+=\?$/.test(term)) ? terms.length : Number.NaN
}

function isWholeIndex(index: string, terms: number, connection: Connection): boolean {
  const rows = connection.readAll(
    `SELECT (SELECT "unique" FROM pragma_index_list(s.tbl_name) WHERE name = s.name),
       (SELECT count(*) FROM pragma_index_info(s.name))
     FROM sqlite_schema s WHERE s.type = 'index' AND s.name = ?`,
    [index],
  )
  return rows.length === 1 && Number(rows[0]?.[0]) === 1 && Number(rows[0]?.[1]) === terms
}

function isWholeKey(table: string, terms: number, connection: Connection): boolean {
  const rows = connection.readAll('SELECT count(*) FROM pragma_table_info(?) WHERE pk > 0', [table])
  return Number(rows[0]?.[0]) === terms
}
