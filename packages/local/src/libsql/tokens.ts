/** One lexical token of SQL. `start` and `end` are UTF-16 offsets into the text it came from. */
export type Token = {
  readonly kind: TokenKind
  readonly text: string
  readonly start: number
  readonly end: number
}

type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'parameter' | 'punctuation' | 'bad'

const tokenPattern = new RegExp(
  [
    String.raw`(?<skip>[\s\ufeff]+|--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    String.raw`(?<string>[xX]?'(?:[^']|'')*')`,
    String.raw`(?<quoted>"(?:[^"]|"")*"|` + '`(?:[^`]|``)*`' + String.raw`|\[[^\]]*\])`,
    String.raw`(?<number>0[xX][0-9a-fA-F]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)`,
    String.raw`(?<parameter>\?\d*|[:@#$][\w$\u0080-\uffff]+(?:::[\w$\u0080-\uffff]+)*(?:\([^)\s]*\))?)`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(?<punctuation>\|\||->>?|<=|>=|<>|<<|>>|==|!=|[-+*/%&|~<>=(),.;])`,
  ].join('|'),
  'y',
)

/** The tokens of `sql` from offset `from`, without white space and comments. What no rule knows is one `bad` character. */
export function* tokensOf(sql: string, from = 0): Generator<Token, void> {
  let at = from
  while (at < sql.length) {
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(sql)
    if (match === null) {
      yield { kind: 'bad', text: sql.charAt(at), start: at, end: at + 1 }
      at += 1
      continue
    }
    const text = match[0]
    const kind = kindOf(match.groups ?? {})
    if (kind !== undefined) yield { kind, text, start: at, end: at + text.length }
    at += text.length
  }
}

const kinds = ['word', 'punctuation', 'parameter', 'string', 'number', 'quoted'] as const

function kindOf(groups: Readonly<Record<string, string | undefined>>): TokenKind | undefined {
  return kinds.find((kind) => groups[kind] !== undefined)
}

/** The name a word or a quoted identifier stands for. */
export function nameOf(token: Token | undefined): string {
  if (token === undefined) return ''
  if (token.kind !== 'quoted' && token.kind !== 'string') return token.text
  const quote = token.text.slice(-1)
  const inner = token.text.slice(1, -1)
  return quote === ']' ? inner : inner.replaceAll(quote + quote, quote)
}

/** The tokens of one statement without its closing semicolon, and where the statement ends with it. */
export type Piece = { readonly tokens: readonly Token[]; readonly end: number }

/**
 * Splits a script at its semicolons; empty statements vanish.
 *
 * A trigger's body holds semicolons of its own: as in SQLite's `sqlite3_complete`, `CREATE TRIGGER` ends only at
 * the semicolon after an `END` that itself follows a semicolon.
 */
export function* piecesOf(sql: string): Generator<Piece, void> {
  let current: Token[] = []
  for (const token of tokensOf(sql)) {
    if (token.kind !== 'punctuation' || token.text !== ';') {
      current.push(token)
      continue
    }
    if (isInsideTrigger(current)) {
      current.push(token)
      continue
    }
    if (current.length > 0) yield { tokens: current, end: token.end }
    current = []
  }
  const last = current.at(-1)
  if (last !== undefined) yield { tokens: current, end: last.end }
}

function isInsideTrigger(tokens: readonly Token[]): boolean {
  const start = isWord(tokens[0], 'EXPLAIN') ? (isWord(tokens[1], 'QUERY') ? 3 : 1) : 0
  if (!isWord(tokens[start], 'CREATE')) return false
  const isTemporary = isWord(tokens[start + 1], 'TEMP') || isWord(tokens[start + 1], 'TEMPORARY')
  if (!isWord(tokens[start + (isTemporary ? 2 : 1)], 'TRIGGER')) return false
  return !(isWord(tokens.at(-1), 'END') && tokens.at(-2)?.text === ';')
}

/** Whether `token` is the bare keyword `word`, given in capitals. */
export function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === word
}
