/** A compiled `Upstash-Retry-Delay`: milliseconds before the retry that follows `retried` earlier ones. */
export type RetryDelay = (retried: number) => number

type Parser = { readonly text: string; at: number; depth: number }

/** Longer or deeper expressions are refused, so that a header cannot exhaust the stack. */
const maxLength = 1000
const maxDepth = 50

const functions: Readonly<
  Record<string, { arity: number; apply: (x: number, y: number) => number }>
> = {
  pow: { arity: 2, apply: (x, y) => x ** y },
  exp: { arity: 1, apply: (x) => Math.exp(x) },
  sqrt: { arity: 1, apply: (x) => Math.sqrt(x) },
  abs: { arity: 1, apply: (x) => Math.abs(x) },
  floor: { arity: 1, apply: (x) => Math.floor(x) },
  ceil: { arity: 1, apply: (x) => Math.ceil(x) },
  round: { arity: 1, apply: (x) => Math.round(x) },
  min: { arity: 2, apply: (x, y) => Math.min(x, y) },
  max: { arity: 2, apply: (x, y) => Math.max(x, y) },
}

/**
 * Compiles a retry-delay expression: numbers, `retried`, `+ - * /`, parentheses, and the functions
 * pow exp sqrt abs floor ceil round min max. Never evaluates code.
 *
 * @throws SyntaxError with the position when the text is not such an expression.
 * @see https://upstash.com/docs/qstash/features/retry
 */
export function compileRetryDelay(text: string): RetryDelay {
  if (text.length > maxLength)
    throw new SyntaxError(`expression longer than ${maxLength} characters`)
  const parser: Parser = { text, at: 0, depth: 0 }
  const value = sum(parser)
  skipSpace(parser)
  if (parser.at < text.length) throw unexpected(parser)
  return value
}

function sum(parser: Parser): RetryDelay {
  const first = product(parser)
  const rest: { subtract: boolean; value: RetryDelay }[] = []
  for (;;) {
    const operator = take(parser, '+-')
    if (operator === undefined) break
    rest.push({ subtract: operator === '-', value: product(parser) })
  }
  if (rest.length === 0) return first
  return (retried) =>
    rest.reduce((left, term) => {
      const right = term.value(retried)
      return term.subtract ? left - right : left + right
    }, first(retried))
}

function product(parser: Parser): RetryDelay {
  const first = signed(parser)
  const rest: { divide: boolean; value: RetryDelay }[] = []
  for (;;) {
    const operator = take(parser, '*/')
    if (operator === undefined) break
    rest.push({ divide: operator === '/', value: signed(parser) })
  }
  if (rest.length === 0) return first
  return (retried) =>
    rest.reduce((left, factor) => {
      const right = factor.value(retried)
      return factor.divide ? left / right : left * right
    }, first(retried))
}

function signed(parser: Parser): RetryDelay {
  const sign = take(parser, '+-')
  if (sign === undefined) return atom(parser)
  return nested(parser, () => {
    const value = signed(parser)
    return sign === '-' ? (retried) => -value(retried) : value
  })
}

function atom(parser: Parser): RetryDelay {
  skipSpace(parser)
  const rest = parser.text.slice(parser.at)
  const number = /^(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/.exec(rest)?.[0]
  if (number !== undefined) {
    parser.at += number.length
    const value = Number(number)
    return () => value
  }
  const name = /^[A-Za-z_]\w*/.exec(rest)?.[0]
  if (name !== undefined) {
    parser.at += name.length
    return name === 'retried' ? (retried) => retried : call(parser, name)
  }
  if (take(parser, '(') === undefined) throw unexpected(parser)
  const value = nested(parser, () => sum(parser))
  expect(parser, ')')
  return value
}

function call(parser: Parser, name: string): RetryDelay {
  const fn = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (fn === undefined) throw new SyntaxError(`unknown name "${name}"`)
  expect(parser, '(')
  const first = nested(parser, () => sum(parser))
  if (fn.arity === 1) {
    expect(parser, ')')
    return (retried) => fn.apply(first(retried), 0)
  }
  expect(parser, ',')
  const second = nested(parser, () => sum(parser))
  expect(parser, ')')
  return (retried) => fn.apply(first(retried), second(retried))
}

function nested<T>(parser: Parser, parse: () => T): T {
  parser.depth += 1
  if (parser.depth > maxDepth) throw new SyntaxError(`expression deeper than ${maxDepth}`)
  const value = parse()
  parser.depth -= 1
  return value
}

function take(parser: Parser, characters: string): string | undefined {
  skipSpace(parser)
  const next = parser.text[parser.at]
  if (next === undefined || !characters.includes(next)) return undefined
  parser.at += 1
  return next
}

function expect(parser: Parser, character: string): void {
  if (take(parser, character) === undefined) throw unexpected(parser)
}

function skipSpace(parser: Parser): void {
  while (/\s/.test(parser.text[parser.at] ?? '')) parser.at += 1
}

function unexpected(parser: Parser): SyntaxError {
  const found = parser.text[parser.at]
  return new SyntaxError(
    found === undefined ? 'unexpected end' : `unexpected "${found}" at ${parser.at}`,
  )
}
