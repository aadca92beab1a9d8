import { describe, expect, test } from 'vitest'

import { explore, type Faults, mutants, protocols, type Verdict } from './model.ts'

const classes: Readonly<Record<string, Faults>> = {
  'two drainers, two crashes': { crashes: 2 },
  'failover that keeps increments and loses what drainers did': { crashes: 1, failover: 'drains' },
  'a flush is sent twice': { crashes: 1, resends: 1 },
  'failover that loses what was acknowledged': { failover: 'all' },
}
const increments = 2

function spell({ lost, repeated }: Verdict): string {
  return [lost ? 'loses' : '', repeated ? 'repeats' : ''].filter(Boolean).join(' and ') || 'exact'
}

describe('of nine drain protocols, in every order of every step', () => {
  const table = protocols.map((protocol) => ({
    name: protocol.name,
    verdicts: Object.values(classes).map((faults) => explore(protocol, faults, increments)),
  }))
  process.stdout.write(
    `${table.map(({ name, verdicts }) => `${name}: ${verdicts.map(spell).join(' | ')}`).join('\n')}\n`,
  )

  test('P7 alone is exact under all four classes of faults', () => {
    const exact = table.filter(({ verdicts }) =>
      verdicts.every((verdict) => spell(verdict) === 'exact'),
    )

    expect(exact.map(({ name }) => name)).toEqual(['P7 flush log, id of the producer'])
  })

  test('every other fails as it is known to', () => {
    const verdicts = table.map(({ name, verdicts: found }) => [
      name.slice(0, 3).trim(),
      ...found.map(spell),
    ])

    expect(verdicts).toEqual([
      ['P1', 'loses', 'loses and repeats', 'loses and repeats', 'repeats'],
      ['P2', 'repeats', 'repeats', 'repeats', 'loses and repeats'],
      ['P3', 'loses and repeats', 'loses and repeats', 'loses and repeats', 'repeats'],
      ['P4', 'exact', 'loses', 'repeats', 'loses'],
      ['P4b', 'loses', 'loses and repeats', 'loses and repeats', 'loses'],
      ['P4c', 'exact', 'repeats', 'repeats', 'repeats'],
      ['P5', 'exact', 'exact', 'repeats', 'loses'],
      ['P6', 'exact', 'exact', 'repeats', 'loses'],
      ['P7', 'exact', 'exact', 'exact', 'exact'],
    ])
  })

  test('P7 is exact too with three increments, two crashes and a flush sent twice', () => {
    const p7 = protocols.at(-1)
    if (p7 === undefined) throw new Error('there is no P7')

    const verdict = explore(p7, { crashes: 2, resends: 1 }, 3)
    process.stdout.write(`P7: ${verdict.states} states\n`)

    expect(spell(verdict)).toBe('exact')
    expect(verdict.states).toBeGreaterThan(1_000)
  })
})

describe('the model notices that', () => {
  test.each(mutants)('$name', (mutant) => {
    const verdicts = Object.values(classes).map((faults) => explore(mutant, faults, increments))

    process.stdout.write(`${mutant.name}: ${verdicts.map(spell).join(' | ')}\n`)
    expect(verdicts.map(spell)).not.toEqual(['exact', 'exact', 'exact', 'exact'])
  })
})
