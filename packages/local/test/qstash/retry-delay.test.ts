import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { compileRetryDelay } from '../../src/qstash/retry-delay.ts'

/** An expression as text beside what it must yield, computed without the parser. */
type Sample = { readonly text: string; readonly value: (retried: number) => number }

const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { maxDepth: 4 },
    fc.constant<Sample>({ text: 'retried', value: (retried) => retried }),
    fc.nat(5000).map((n): Sample => ({ text: String(n), value: () => n })),
    fc
      .tuple(fc.nat(99), fc.nat(99))
      .map(([a, b]): Sample => ({ text: `${a}.${b}`, value: () => Number(`${a}.${b}`) })),
    fc
      .tuple(fc.constantFrom('exp', 'sqrt', 'abs', 'floor', 'ceil', 'round'), tie('sample'))
      .map(([name, x]): Sample => ({
        text: `${name}( ${x.text} )`,
        value: (retried) => Math[name](x.value(retried)),
      })),
    fc
      .tuple(fc.constantFrom('pow', 'min', 'max'), tie('sample'), tie('sample'))
      .map(([name, x, y]): Sample => ({
        text: `${name}(${x.text},${y.text})`,
        value: (retried) => Math[name](x.value(retried), y.value(retried)),
      })),
    fc
      .tuple(fc.constantFrom('+', '-', '*', '/'), tie('sample'), tie('sample'), fc.boolean())
      .map(([operator, x, y, spaced]): Sample => ({
        text: `(${x.text})${spaced ? ` ${operator} ` : operator}(${y.text})`,
        value: (retried) => apply(operator, x.value(retried), y.value(retried)),
      })),
    tie('sample').map((x): Sample => ({
      text: `-(${x.text})`,
      value: (retried) => -x.value(retried),
    })),
  ),
}))

function apply(operator: string, x: number, y: number): number {
  if (operator === '+') return x + y
  if (operator === '-') return x - y
  return operator === '*' ? x * y : x / y
}

describe('compileRetryDelay', () => {
  test('yields what the expression means, whatever it is', () => {
    fc.assert(
      fc.property(sample, fc.nat(20), ({ text, value }, retried) => {
        fc.pre(text.length <= 1000)

        expect(compileRetryDelay(text)(retried)).toBe(value(retried))
      }),
      { numRuns: 2000 },
    )
  })

  test('agrees with the reference on precedence and left association without parentheses', () => {
    const operator = fc.constantFrom('+', '-', '*', '/')
    const chain = fc.tuple(fc.nat(9), fc.array(fc.tuple(operator, fc.integer({ min: 1, max: 9 }))))
    fc.assert(
      fc.property(chain, ([first, rest]) => {
        const sums: number[] = [first]
        for (const [sign, n] of rest) {
          const last = sums.at(-1) ?? 0
          if (sign === '*' || sign === '/') sums[sums.length - 1] = apply(sign, last, n)
          else sums.push(sign === '-' ? -n : n)
        }
        const text = `${first}${rest.map(([sign, n]) => `${sign}${n}`).join('')}`

        expect(compileRetryDelay(text)(0)).toBe(sums.reduce((total, term) => total + term))
      }),
    )
  })

  test('never runs code and never hangs: any text is an expression or a SyntaxError', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(['number', 'SyntaxError']).toContain(kindOf(text))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['1000', [1000, 1000, 1000]],
    ['1000 * (1 + retried)', [1000, 2000, 3000]],
    ['pow(2, retried) * 1000', [1000, 2000, 4000]],
    ['max(1000, pow(2, retried) * 100)', [1000, 1000, 1000]],
  ])('reads the documented example %s', (text, expected) => {
    const delay = compileRetryDelay(text)

    expect([0, 1, 2].map(delay)).toEqual(expected)
  })

  test.each([
    '',
    'retried retried',
    '1 +',
    '(1',
    'pow(1)',
    'pow(1,2,3)',
    'abs(1,2)',
    'constructor',
    'process.exit(1)',
    'Math.max(1,2)',
    '1;2',
    `${'('.repeat(60)}1${')'.repeat(60)}`,
    '9'.repeat(1001),
  ])('refuses %s', (text) => {
    expect(() => compileRetryDelay(text)).toThrow(SyntaxError)
  })
})

function kindOf(text: string): string {
  try {
    return typeof compileRetryDelay(text)(1)
  } catch (error) {
    return error instanceof Error ? error.constructor.name : String(error)
  }
}
