import { type Call, type Clock, type Rows, slotText, type Statement } from '@stoa/kernel'

import { type Claim, claimGraceMs, type LookupIndex, slotOfIndexed } from './lookup.ts'
import { inWaves, type Router } from './router.ts'

/** Whether the main row of each claim's owner is there and has the text. Gives one answer for each claim, in order. */
export type Owners = (claims: readonly Claim[], call: Call) => Promise<readonly boolean[]>

/** What a pass over an index did. */
export type Repaired = {
  readonly checked: number
  readonly confirmed: number
  readonly removed: number
}

type Entry = {
  readonly claim: Claim
  readonly slot: string
  readonly version: number
  readonly isPending: boolean
}

export type RepairOptions = {
  readonly router: Router
  readonly owners: Owners
  readonly clock: Clock
  /** Entries read and settled at a time. */
  readonly pageSize?: number
  readonly onProgress?: (soFar: Repaired) => void
}

/** A late main write must not lose its claim to the sweep: twice the time after which another may take it over. */
const settleAfterMs = 2 * claimGraceMs

function entryOf([slot, kind, text, owner, version, state]: Rows['rows'][number]): Entry {
  return {
    slot: String(slot),
    claim: { kind: String(kind), text: String(text), owner: String(owner) },
    version: Number(version),
    isPending: state === 'pending',
  }
}

/** The version is the entry's own: whoever took it up, confirmed it or gave it away meanwhile has made it grow. */
function settle({ slot, claim, version }: Entry, exists: boolean): Statement {
  const args = [slot, claim.kind, claim.text, claim.owner, version]
  const same = 'slot = ? AND kind = ? AND text = ? AND owner_id = ? AND version = ?'
  return exists
    ? { sql: `UPDATE lookup SET state = 'confirmed', version = version + 1 WHERE ${same}`, args }
    : { sql: `DELETE FROM lookup WHERE ${same}`, args }
}

async function pass(
  { router, owners, pageSize = 500, onProgress }: RepairOptions,
  source: Statement,
  call: Call,
): Promise<Repaired> {
  const done = { checked: 0, confirmed: 0, removed: 0 }
  let after: readonly string[] = ['', '', '']
  for (;;) {
    const { rows } = await router.scatter(
      {
        select: (isOwned) => ({
          sql: `SELECT slot, kind, text, owner_id, version, state FROM ${source.sql}
  AND (slot, kind, text) > (?, ?, ?) AND ${isOwned('slot')}
ORDER BY slot, kind, text LIMIT ?`,
          args: [...source.args, ...after, pageSize],
        }),
        order: [{ column: 'slot' }, { column: 'kind' }, { column: 'text' }],
        limit: pageSize,
        unreachable: 'fail',
      },
      call,
    )
    const entries = rows.rows.map(entryOf)
    const answers = await owners(
      entries.map(({ claim }) => claim),
      call,
    )
    const wrong = entries
      .map((entry, index) => ({ entry, exists: answers[index] === true }))
      .filter(({ entry, exists }) => entry.isPending || !exists)
    await inWaves(wrong, async ({ entry, exists }) => {
      const [result] = await router.write(entry.slot, [settle(entry, exists)], call)
      if (result?.rowsAffected === 1) done[exists ? 'confirmed' : 'removed'] += 1
    })
    done.checked += entries.length
    onProgress?.({ ...done })
    const last = entries.at(-1)
    if (entries.length < pageSize || last === undefined) return done
    after = [last.slot, last.claim.kind, last.claim.text]
  }
}

/**
 * Settles claims that have been pending for two minutes: confirms those whose main row is there, removes the others.
 * Safe to repeat and to run twice at once. One round trip a shard for each page, one for each claim.
 */
export function sweepPending(options: RepairOptions, call: Call): Promise<Repaired> {
  const before = options.clock.now() - settleAfterMs
  return pass(
    options,
    {
      sql: "lookup INDEXED BY lookup_pending WHERE state = 'pending' AND claimed_at <= ?",
      args: [before],
    },
    call,
  )
}

/**
 * Compares a whole index with its main rows: removes entries whose main row is gone or has another text, and settles
 * pending ones that are old. What is missing from the index is {@link backfillLookup}'s to find.
 */
export function verifyLookup(options: RepairOptions, call: Call): Promise<Repaired> {
  const before = options.clock.now() - settleAfterMs
  return pass(
    options,
    { sql: "lookup WHERE (state = 'confirmed' OR claimed_at <= ?)", args: [before] },
    call,
  )
}

export type Backfill = {
  /** Reads main rows behind `after`, as claims; `next` is absent after the last page. */
  readonly page: (
    after: string | undefined,
    call: Call,
  ) => Promise<{ readonly claims: readonly Claim[]; readonly next?: string }>
  /** Where to go on: the cursor of the last `onPage`. */
  readonly from?: string
  /** Called when a page is in the index; keep `next` to resume after a death. */
  readonly onPage?: (progress: { readonly claimed: number; readonly next?: string }) => void
}

/**
 * Fills a new index from its main rows while writes go on: writers claim already, readers still ask all shards. Safe to
 * repeat. One round trip a shard for each page, and one to confirm.
 *
 * @returns the claims whose text another owner holds: two main rows have it, and a person decides.
 */
export async function backfillLookup(
  index: LookupIndex,
  { page, from, onPage }: Backfill,
  call: Call,
): Promise<{ readonly claimed: number; readonly conflicts: readonly Claim[] }> {
  const conflicts: Claim[] = []
  let claimed = 0
  let after = from
  for (;;) {
    const { claims, next } = await page(after, call)
    const holders = await index.claim(claims, call)
    const mine = claims.filter((claim, at) => holders[at]?.owner === claim.owner)
    conflicts.push(...claims.filter((claim, at) => holders[at]?.owner !== claim.owner))
    await index.confirm(mine, call)
    claimed += mine.length
    onPage?.({ claimed, ...(next === undefined ? {} : { next }) })
    if (next === undefined) return { claimed, conflicts }
    after = next
  }
}

/** Mends single entries of an index. */
export type ClaimMender = {
  /** Makes the entry that leads to a main row; false when another owner holds the text. Safe to repeat. Two round trips. */
  restore(this: void, claim: Claim, call: Call): Promise<boolean>
  /** Takes a confirmed entry away that leads to the wrong thing. Safe to repeat. One round trip. */
  remove(this: void, claim: Claim, call: Call): Promise<void>
}

/** Mends entries one at a time, as a reconciliation asks; a whole index is {@link verifyLookup}'s and {@link backfillLookup}'s. */
export function claimMender(router: Router, index: LookupIndex): ClaimMender {
  return {
    restore: async (claim, call) => {
      const page = async () => ({ claims: [claim] })
      return (await backfillLookup(index, { page }, call)).conflicts.length === 0
    },
    remove: async (claim, call) => {
      const { kind, text, owner } = claim
      const slot = slotOfIndexed(claim)
      const sql = `DELETE FROM lookup WHERE slot = ? AND kind = ? AND text = ? AND owner_id = ? AND state = 'confirmed'`
      await router.write(slot, [{ sql, args: [slotText(slot), kind, text, owner] }], call)
    },
  }
}
