import type { Bytes } from '../bytes.ts'

/**
 * Redis' glob: `*`, `?`, `[abc]`, `[^a-c]`, backslash escapes; matched on bytes.
 *
 * Matching backtracks only to the last `*`, so its cost is bounded by pattern times text.
 */
export function globOf(pattern: Bytes): (text: Bytes) => boolean {
  if (pattern === '*') return () => true
  const tokens = tokensOf(pattern)
  return (text) => matches(tokens, text)
}

type Token = 'star' | ((byte: number) => boolean)

function tokensOf(pattern: Bytes): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern.charCodeAt(at)
    const symbol = pattern[at]
    if (symbol === '*') {
      if (tokens.at(-1) !== 'star') tokens.push('star')
    } else if (symbol === '?') tokens.push(() => true)
    else if (symbol === '[') {
      const { token, end } = bracket(pattern, at + 1)
      tokens.push(token)
      at = end
    } else if (symbol === '\\' && at + 1 < pattern.length) {
      const escaped = pattern.charCodeAt(++at)
      tokens.push((other) => other === escaped)
    } else tokens.push((other) => other === byte)
  }
  return tokens
}

function bracket(pattern: Bytes, start: number): { readonly token: Token; readonly end: number } {
  const negated = pattern[start] === '^'
  const ranges: (readonly [number, number])[] = []
  let at = negated ? start + 1 : start
  for (; at < pattern.length && pattern[at] !== ']'; at++) {
    if (pattern[at] === '\\' && at + 1 < pattern.length) at++
    const low = pattern.charCodeAt(at)
    if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      const high = pattern.charCodeAt(at + 2)
      ranges.push([Math.min(low, high), Math.max(low, high)])
      at += 2
    } else ranges.push([low, low])
  }
  const inside = (byte: number) => ranges.some(([low, high]) => byte >= low && byte <= high)
  return { token: (byte) => inside(byte) !== negated, end: at }
}

function matches(tokens: readonly Token[], text: Bytes): boolean {
  let token = 0
  let at = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    const current = tokens[token]
    if (current === 'star') {
      star = token++
      resume = at
    } else if (current?.(text.charCodeAt(at))) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++resume
    } else return false
  }
  while (tokens[token] === 'star') token++
  return token === tokens.length
}
