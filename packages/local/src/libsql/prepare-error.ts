import { parseError, runtimeError, StatementError } from './errors.ts'
import type { EngineFailure } from './errors.ts'
import { tokensOf } from './tokens.ts'
import type { Token } from './tokens.ts'

/** Failures for which SQLite knows the place, and so sqld answers SQL_INPUT_ERROR with an offset. */
const located = [
  /^no such column: (.+)$/,
  /^ambiguous column name: (.+)$/,
  /^no such function: (.+)$/,
  /^wrong number of arguments to function (.+)\(\)$/,
  /^misuse of aggregate(?: function)?:? (.+)\(\)$/,
  /^(?:table|view|index) (.+) already exists$/,
]

/**
 * The error for a statement that the engine will not prepare.
 *
 * sqld parses before it prepares, so grammar is SQL_PARSE_ERROR in the words of its own parser, with line and column
 * just behind the token; what is left is SQL_INPUT_ERROR where SQLite knows the offset, or a plain SQLite error.
 * @param messageOf What the engine says to another text, '' when it parses. Asked a few times, on this path only.
 */
export function prepareError(
  sql: string,
  failure: EngineFailure,
  messageOf: (sql: string) => string,
): StatementError {
  const syntax = /^near "([\s\S]*)": syntax error$/.exec(failure.message)
  if (syntax !== null) return parseError(syntaxDetail(sql, syntax[1] ?? '', messageOf))
  if (failure.message === 'incomplete input') return parseError('unexpected end of input')
  if (failure.message.startsWith('unrecognized token')) return parseError(scanDetail(sql))
  for (const pattern of located) {
    const name = pattern.exec(failure.message)?.[1]
    if (name !== undefined) return inputError(sql, name, failure)
  }
  return runtimeError(failure, undefined)
}

/** Whether an error is about grammar alone: sqld finds those before it runs the first step of a batch. */
export function isGrammarError(error: unknown): boolean {
  return error instanceof StatementError && error.code === 'SQL_PARSE_ERROR'
}

/** Names of tokens without a text of their own in sqld's parser. */
const tokenNames: Readonly<Record<string, string>> = {
  '(': 'LP',
  ')': 'RP',
  ';': 'SEMI',
  ',': 'COMMA',
  '.': 'DOT',
  '=': 'EQ',
  '==': 'EQ',
  '!=': 'NE',
  '<>': 'NE',
  '<': 'LT',
  '>': 'GT',
  '<=': 'LE',
  '>=': 'GE',
  '*': 'STAR',
  '+': 'PLUS',
  '-': 'MINUS',
  '/': 'SLASH',
  '%': 'REM',
  '||': 'CONCAT',
}

/** Keywords that may end up as the culprit; any other word is an identifier to sqld's parser. */
const keywords =
  /^(?:ADD|ALL|ALTER|AND|AS|BETWEEN|BY|CASE|CHECK|COLLATE|COMMIT|CONSTRAINT|CREATE|DEFAULT|DELETE|DISTINCT|DROP|ELSE|EXISTS|FOREIGN|FROM|GROUP|HAVING|IN|INDEX|INNER|INSERT|INTO|IS|JOIN|LEFT|LIMIT|NOT|NULL|ON|OR|ORDER|PRIMARY|REFERENCES|SELECT|SET|TABLE|THEN|TO|TRANSACTION|UNION|UNIQUE|UPDATE|USING|VALUES|WHEN|WHERE|WITH)$/

function syntaxDetail(sql: string, text: string, messageOf: (sql: string) => string): string {
  const culprit = culpritOf(sql, text, messageOf)
  if (culprit === undefined) return `syntax error around L1:1: \`${text}\``
  const [line, column] = placeOf(sql, culprit.end)
  const upper = culprit.text.toUpperCase()
  const name = tokenNames[upper] ?? (keywords.test(upper) ? upper : undefined)
  return name === undefined
    ? `syntax error around L${line}:${column}: \`${culprit.text}\``
    : `near ${name}, "None": syntax error at (${line}, ${column})`
}

/** A grammar error shows as soon as its token is read, so the culprit ends the shortest text that fails alike. */
function culpritOf(
  sql: string,
  text: string,
  messageOf: (sql: string) => string,
): Token | undefined {
  const alike = `near "${text}": syntax error`
  for (const token of tokensOf(sql)) {
    if (token.text === text && messageOf(`${sql.slice(0, token.end)} `) === alike) return token
  }
  return undefined
}

function scanDetail(sql: string): string {
  for (const token of tokensOf(sql)) {
    if (token.kind !== 'bad') continue
    const [line, column] = placeOf(sql, token.end)
    return token.text === "'" || token.text === '"'
      ? `non-terminated literal at (${line}, ${column})`
      : `unrecognized token at (${line}, ${column})`
  }
  return 'unrecognized token'
}

/** One-based line and column. */
function placeOf(sql: string, offset: number): readonly [number, number] {
  const before = sql.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return [before.split('\n').length, offset - lineStart + 1]
}

function inputError(sql: string, name: string, failure: EngineFailure): StatementError {
  const wanted = name.split(' - ')[0]?.replaceAll('"', '') ?? name
  const first = wanted.split('.')[0] ?? wanted
  let offset = -1
  for (const token of tokensOf(sql)) {
    const isName = token.text.toLowerCase() === first.toLowerCase()
    if (isName || token.text === `"${first}"`) {
      offset = Buffer.byteLength(sql.slice(0, token.start))
      break
    }
  }
  if (offset < 0) return runtimeError(failure, undefined)
  return new StatementError(
    'SQL_INPUT_ERROR',
    `SQL input error: ${failure.message} (at offset ${offset})`,
  )
}
