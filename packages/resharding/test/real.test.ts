import { describe, expect, test } from 'vitest'

import { playRound, type RoundReport } from './real-round.ts'

const killsAnRound = 15
const kills = Number(process.env['KILLS'] ?? killsAnRound)
const seed = Number(process.env['SEED'] ?? 1)

const rounds = Array.from({ length: Math.ceil(kills / killsAnRound) }, (_, round) => ({
  seed: seed + round,
  kills: Math.min(killsAnRound, kills - round * killsAnRound),
}))

/** What a network does, a few requests each; the delays outlive the mover that sent the request. */
const rules = [
  { action: 'drop-reply', times: 4, skip: 3 },
  { action: 'drop-request', times: 4 },
  { action: 'error', status: 503, times: 6 },
  { action: 'error', status: 500, times: 3, skip: 10 },
  { action: 'delay', delayMs: 400, times: 6 },
  { action: 'duplicate', times: 20 },
  { action: 'reorder', delayMs: 200, times: 4 },
]

const total = (counts: RoundReport['ends']) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

describe('moves between real servers', () => {
  test.each(rounds)(
    'end, and lose or double no acknowledged write, in spite of $kills kills and a bad network (seed $seed)',
    { timeout: 30_000 + 20_000 * killsAnRound },
    async (round) => {
      const { wrongs, counts, ends, killed } = await playRound({ ...round, moves: 3, rules })
      process.stdout.write(`${JSON.stringify({ ...round, counts, ends, killed })}\n`)

      expect(wrongs).toEqual([])
      expect(total(killed)).toBe(round.kills)
      expect(total(ends)).toBeGreaterThanOrEqual(3)
      expect(counts.acknowledged).toBeGreaterThan(100)
      expect(counts.read).toBeGreaterThan(10)
    },
  )

  test('lose acknowledged writes when the last replay is left out, and that is noticed', async () => {
    const match = { contains: '_mv_progress' }
    const always = [{ action: 'delay', delayMs: 30, times: null, match }]
    const { wrongs } = await playRound({
      seed,
      kills: 0,
      moves: 3,
      always,
      rules: [],
      without: ['finalReplay'],
    })

    expect(wrongs.filter((wrong) => wrong.startsWith('lost'))).not.toEqual([])
  })
})
