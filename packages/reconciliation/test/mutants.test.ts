import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from 'vitest'

import * as reconciliation from '../src/index.ts'
import { trials } from './trials.ts'
import { type Api, proveDrill } from './world.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))
/** Beside the sources, so that a mutant finds the packages that they find; ignored by git. */
const nursery = fileURLToPath(new URL('../.stoa/mutants', import.meta.url))

const caught: string[] = []
beforeAll(() => rm(nursery, { recursive: true, force: true }))
afterAll(async () => {
  await rm(nursery, { recursive: true, force: true })
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

/** The package with `from` replaced in one of its files. */
async function mutantOf(file: string, [from, to]: readonly [string, string]): Promise<Api> {
  const siblings = await readdir(nursery).catch(() => [])
  const home = path.join(nursery, `${siblings.length}`)
  await cp(source, home, { recursive: true })
  const text = await readFile(path.join(home, file), 'utf8')
  const mutated = text.replaceAll(from, () => to)
  if (mutated === text) throw new Error(`The mutant of ${file} never lived`)
  await writeFile(path.join(home, file), mutated)
  return (await import(/* @vite-ignore */ path.join(home, 'index.ts'))) as Api
}

/** A small life without faults, one with them, then the trials. Throws what it notices. */
async function live(api: Api): Promise<void> {
  const size = { clean: 90, noise: 2 }
  await proveDrill(api, { ...size, perClass: 6, perHour: 4, seed: 1, faultOneIn: 0 })
  await proveDrill(api, { ...size, perClass: 4, perHour: 3, seed: 2, faultOneIn: 9 })
  for (const trial of Object.values(trials)) await trial(api)
}

test('the suite finds nothing wrong with what is no mutant', { timeout: 60_000 }, async () => {
  await expect(live(reconciliation)).resolves.toBeUndefined()
})

test.for<readonly [name: string, file: string, from: string, to: string]>([
  ['has no watermark', 'watermark.ts', 'at <= horizon', 'at <= horizon || true'],
  ['has a one-sided watermark', 'watermark.ts', '...watermarks)', 'watermarks[0] ?? now)'],
  ['forgets what is under way', 'watermark.ts', ' - settleMs', ' - settleMs * 0'],
  [
    'ignores the tolerance',
    'tolerance.ts',
    'apart <= BigInt(absolute) ||',
    'apart <= 0n * BigInt(absolute) ||',
  ],
  ['has a tolerance for money', 'judges/payments.ts', 'amount: {}', 'amount: { absolute: 1 }'],
  ['drops the last page of keys', 'match.ts', 'if (groups.length > 0) yield groups', ''],
  ['matches one capture of several', 'match.ts', 'taken.length < entriesMax', 'taken.length < 0'],
  ['splits a key between pages', 'entry.ts', 'key !== last.key', 'key !== last.key || true'],
  [
    'takes the amount of each capture for granted',
    'judges/payments.ts',
    "currency: 'exact', fee",
    'fee',
  ],
  ['never asks the ledger', 'judges/payments.ts', 'return ledger', 'return []'],
  ['takes the next statement for lost', 'judges/payments.ts', 'into < cutOffMs ||', 'into < 0 &&'],
  [
    'makes stock sellable by itself',
    'judges/stock.ts',
    'sellable <= available',
    'sellable <= total',
  ],
  ['finishes what nobody decided', 'judges/sagas.ts', "'investigate'", "'finish_transaction'"],
  ['rearms for ever', 'judges/events.ts', '> 0', '> 99'],
  [
    'writes a break each time it is found',
    'finding.ts',
    '[name, comparison, key]',
    '[name, comparison, key, Math.random()]',
  ],
  ['tells no classes apart', 'finding.ts', '[name, comparison, key]', '[comparison, key]'],
  [
    'opens again what is open',
    'discrepancy-rows.ts',
    'WHERE excluded.first_seen_at > closed_at AND',
    'WHERE excluded.first_seen_at > first_seen_at OR closed_at > 0 AND',
  ],
  [
    'opens again what was dealt with',
    'discrepancy-rows.ts',
    "(state = 'resolved' OR",
    "(state <> 'open' OR",
  ],
  ['counts no repairs', 'budget.ts', 'WHERE n + 1 <= ? AND', 'WHERE n * 0 < ? AND'],
  ['counts no amounts', 'budget.ts', 'AND total + ? <= ?', 'AND ? < ? * 1000'],
  ['counts no hour', 'budget.ts', 'class = ? AND at > ?', 'class = ? AND at > ? + 9e12'],
  [
    'grants the same repair again and again',
    'budget.ts',
    'ON CONFLICT DO UPDATE',
    'AND FALSE ON CONFLICT DO UPDATE',
  ],
  ['asks no budget', 'repairer.ts', 'needsGrant: true', 'needsGrant: false'],
  [
    'gives each try a key of its own',
    'repairer.ts',
    '`${id}:${version}`',
    '`${id}:${version}:${Math.random()}`',
  ],
  ['repairs at first sight', 'discrepancy-rows.ts', 'secondLookMs = 60_000', 'secondLookMs = 0'],
  [
    'repairs without a second look',
    'repairer.ts',
    'findings.find((finding) => finding.class === row.class)',
    '({ class: row.class, key: row.key, action: row.action, amount: row.amount, detail: {} })',
  ],
  ['repairs what is a person’s', 'policy.ts', 'auto: false', 'auto: true'],
  ['repairs what nobody named', 'policy.ts', '?? byHand', '?? atOnce'],
  ['never looks whether it helped', 'repairer.ts', "note: 'done', dueAt", "note: 'done'"],
  [
    'tells nobody that it begins',
    'repairer.ts',
    ": await this.#move(taken, { to: 'repairing',",
    ": await this.#move(taken, { to: 'open',",
  ],
  [
    'leaves what a dead repairer had',
    'discrepancy-rows.ts',
    'lease_until <= ? AND',
    'lease_until < ? * 0 AND',
  ],
  [
    'believes a lost checkpoint',
    'reconciler.ts',
    'lost = error\n        return send()',
    'lost = error\n        return []',
  ],
  [
    'lets one person do it by hand',
    'ddl.ts',
    'maker IS NOT NULL AND checker <> maker',
    'maker IS NOT NULL',
  ],
  [
    'lets one person do it all',
    'desk.ts',
    'if (row.maker === deed.actor)',
    'if (row.maker === deed.note)',
  ],
  [
    'repairs other than was checked',
    'repairer.ts',
    'return evidenceOf(finding).detail === row.detail',
    'return evidenceOf(finding).detail !== String(now)',
  ],
  [
    'hides another break behind a dismissal',
    'discrepancy-rows.ts',
    'detail <> excluded.detail',
    'detail < 0',
  ],
  [
    'says how far it is before it has written what it found',
    'reconciler.ts',
    'await recordFindings(this.#deps.keyspace, [pending, seen], call)',
    'const late = pending; await Promise.resolve(); void recordFindings(this.#deps.keyspace, [late, seen], call).catch(() => undefined)',
  ],
  [
    'does the last key again',
    'reconciler.ts',
    'const next = `${cursor}\\0`',
    'const next = cursor',
  ],
  [
    'begins anew each time',
    'reconciler.ts',
    'if (cursor === undefined ||',
    'if (cursor !== undefined ||',
  ],
])('the suite notices a mutant that %s', { timeout: 60_000 }, async ([name, file, from, to]) => {
  const error = await live(await mutantOf(file, [from, to])).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Error ? thrown : new Error('It threw no error')),
  )

  expect(error).toBeInstanceOf(Error)
  caught.push(`  ${name}: ${error?.message.slice(0, 120).replaceAll(/\s+/g, ' ')}`)
})
