import { parseError, StatementError } from './errors.ts'
import { isPragmaAllowed } from './pragmas.ts'
import { isWord, nameOf, piecesOf } from './tokens.ts'
import type { Piece, Token } from './tokens.ts'

/** What sqld tells apart: who may run it, and what it needs. */
type StatementKind = 'begin' | 'end' | 'savepoint' | 'release' | 'read' | 'write' | 'ddl'

/** One SQL statement, understood as far as the server must: not a parse tree. */
export type Statement = {
  readonly sql: string
  readonly kind: StatementKind
  /** INSERT, UPDATE or DELETE: the only ones with an affected row count. */
  readonly isChange: boolean
  /** INSERT or REPLACE: the only ones with a last insert rowid. */
  readonly isInsert: boolean
  readonly isExplain: boolean
  /** Takes the database's write lock when it runs. */
  readonly takesWriteLock: boolean
  /** Many a PRAGMA acts when it is prepared, not when it is run: prepare it once, just before. */
  readonly isPragma: boolean
  /** Leaves something behind on its connection that the next user must not inherit. */
  readonly touchesForeignKeys: boolean
  /** Parameter names by index, prefix included; undefined for a bare `?`. */
  readonly parameters: readonly (string | undefined)[]
}

/** Statements remembered by text: reading SQL costs more than running a by-id read. */
const cachedStatements = 1000
/** Longer texts carry their values inside and are seldom seen twice. */
const cachedLength = 4096

const cache = new Map<string, readonly Statement[]>()

/**
 * The statements of `sql`, in order, remembered by text.
 *
 * @throws StatementError SQL_PARSE_ERROR when sqld refuses one of them.
 */
export function statementsOf(sql: string): readonly Statement[] {
  const known = cache.get(sql)
  if (known !== undefined) return known
  const statements = [...piecesOf(sql)].map((piece) => statementOf(sql, piece))
  if (sql.length <= cachedLength) {
    if (cache.size >= cachedStatements) cache.delete(cache.keys().next().value ?? '')
    cache.set(sql, statements)
  }
  return statements
}

/** The only statement of `sql`. @throws StatementError when there is none, more than one, or a refused one. */
export function singleStatement(sql: string): Statement {
  const statements = statementsOf(sql)
  const [statement] = statements
  if (statement === undefined)
    throw new StatementError('SQL_NO_STATEMENT', 'SQL string does not contain any statement')
  if (statements.length > 1)
    throw new StatementError('SQL_MANY_STATEMENTS', 'SQL string contains more than one statement')
  return statement
}

function statementOf(script: string, { tokens, end }: Piece): Statement {
  const sql = script.slice(tokens[0]?.start ?? 0, end)
  const isExplain = isWord(tokens[0], 'EXPLAIN')
  const isPlan = isExplain && isWord(tokens[1], 'QUERY')
  const body = isExplain ? tokens.slice(isPlan ? 3 : 1) : tokens
  const verb = verbOf(body)
  const kind = isExplain && verb !== 'PRAGMA' ? 'read' : kindOf(verb, body)
  if (kind === undefined) throw parseError(`unsupported statement: ${script}`)
  const isInsert = !isExplain && (verb === 'INSERT' || verb === 'REPLACE')
  const isChange = isInsert || (!isExplain && (verb === 'UPDATE' || verb === 'DELETE'))
  const parameters = parametersOf(tokens)
  return {
    sql,
    kind,
    isChange,
    isInsert,
    isExplain,
    takesWriteLock: !isExplain && takesWriteLock(kind, verb, body),
    isPragma: verb === 'PRAGMA',
    touchesForeignKeys: verb === 'PRAGMA' && pragmaName(body).endsWith('foreign_keys'),
    parameters,
  }
}

/** The keyword that says what a statement does; behind WITH it stands after the common table expressions. */
function verbOf(tokens: readonly Token[]): string {
  const first = tokens[0]?.kind === 'word' ? tokens[0].text.toUpperCase() : ''
  if (first !== 'WITH') return first
  let depth = 0
  for (const token of tokens) {
    if (token.text === '(') depth += 1
    else if (token.text === ')') depth -= 1
    else if (depth === 0 && token.kind === 'word') {
      const word = token.text.toUpperCase()
      if (/^(?:SELECT|VALUES|INSERT|REPLACE|UPDATE|DELETE)$/.test(word)) return word
    }
  }
  return 'SELECT'
}

function kindOf(verb: string, tokens: readonly Token[]): StatementKind | undefined {
  switch (verb) {
    case 'BEGIN':
      return 'begin'
    case 'COMMIT':
    case 'END':
      return 'end'
    case 'ROLLBACK':
      return tokens.some((token) => isWord(token, 'TO')) ? 'release' : 'end'
    case 'SAVEPOINT':
      return 'savepoint'
    case 'RELEASE':
      return 'release'
    case 'INSERT':
    case 'REPLACE':
    case 'UPDATE':
    case 'DELETE':
      return namesReserved(tokens) ? undefined : 'write'
    case 'CREATE':
      return makesTemporary(tokens) ? undefined : 'ddl'
    case 'DROP':
    case 'ALTER':
      return namesReserved(tokens) ? undefined : 'ddl'
    case 'REINDEX':
      return 'write'
    case 'PRAGMA':
      return pragmaKind(tokens)
    case 'ATTACH':
    case 'VACUUM':
    case 'ANALYZE':
      return undefined
    default:
      // Whatever is not SQL is left to the engine, which knows where the error is.
      return 'read'
  }
}

/** Tables that sqld keeps for itself. */
const reservedTables = new Set(['_litestream_seq', '_litestream_lock', 'libsql_wasm_func_table'])

const tableWords = new Set(['INTO', 'UPDATE', 'FROM', 'TABLE', 'EXISTS', 'IGNORE', 'REPLACE'])

function namesReserved(tokens: readonly Token[]): boolean {
  return tokens.some((token, i) => {
    const before = tokens[i - 1]
    if (before?.kind !== 'word' || !tableWords.has(before.text.toUpperCase())) return false
    return reservedTables.has(nameOf(token).toLowerCase())
  })
}

function makesTemporary(tokens: readonly Token[]): boolean {
  if (isWord(tokens[1], 'TEMP') || isWord(tokens[1], 'TEMPORARY')) return true
  const head = tokens.findIndex((token) => token.text === '(' || headEnd.test(token.text))
  const dot = tokens.findIndex((token) => token.text === '.')
  const isHead = dot > 0 && (head < 0 || dot < head)
  return isHead && nameOf(tokens[dot - 1]).toLowerCase() === 'temp'
}

/** What ends the name in `CREATE … name`. */
const headEnd = /^(?:AS|ON|USING|BEFORE|AFTER|INSTEAD)$/i

function takesWriteLock(kind: StatementKind, verb: string, tokens: readonly Token[]): boolean {
  if (kind === 'begin') return isWord(tokens[1], 'IMMEDIATE') || isWord(tokens[1], 'EXCLUSIVE')
  if (verb === 'PRAGMA') return pragmaName(tokens) === 'user_version' && pragmaHasArgument(tokens)
  return kind === 'write' || kind === 'ddl'
}

function pragmaStart(tokens: readonly Token[]): number {
  return tokens[2]?.text === '.' ? 3 : 1
}

function pragmaName(tokens: readonly Token[]): string {
  return nameOf(tokens[pragmaStart(tokens)]).toLowerCase()
}

function pragmaHasArgument(tokens: readonly Token[]): boolean {
  return tokens.length > pragmaStart(tokens) + 1
}

function pragmaKind(tokens: readonly Token[]): StatementKind | undefined {
  return isPragmaAllowed(pragmaName(tokens), pragmaHasArgument(tokens))
}

/**
 * SQLite's numbering: a bare `?` takes the next number, `?7` its own, and a name keeps the one it first got.
 * A number with two names, as in `:a, ?1`, goes by the first of them, as with `sqlite3_bind_parameter_name`.
 */
function parametersOf(tokens: readonly Token[]): readonly (string | undefined)[] {
  const names: (string | undefined)[] = []
  for (const token of tokens) {
    if (token.kind !== 'parameter') continue
    if (token.text === '?') names.push(undefined)
    else if (token.text.startsWith('?')) number(names, token.text)
    else if (!names.includes(token.text)) names.push(token.text)
  }
  return names
}

/** SQLite's own bound on parameters, so that `?999999999` allocates nothing. */
const maxParameters = 32_766

function number(names: (string | undefined)[], text: string): void {
  const index = Number(text.slice(1))
  if (index < 1 || index > maxParameters) return
  while (names.length < index) names.push(undefined)
  names[index - 1] ??= text
}
