import {
  type Call,
  type Clock,
  Fault,
  prefixOf,
  type Rows,
  slotOfText,
  slotText,
  type Statement,
} from '@stoa/kernel'

import { inWaves, type Router } from './router.ts'

/** A text to be owned by one thing alone: a handle, an e-mail, a stock keeping unit. */
export type Claim = { readonly kind: string; readonly text: string; readonly owner: string }

/** Who holds a claimed text now. */
export type Holder = {
  readonly owner: string
  readonly state: 'pending' | 'confirmed'
  readonly claimedAt: number
}

/** How long a pending claim may wait for its main row before another may take it over. */
export const claimGraceMs = 60_000

/**
 * A unique index over texts, sharded by the text. Claim before the main write, confirm after it; a claim whose main
 * write never came is taken over when its grace has passed.
 *
 * Two racing claims: exactly one wins, because both are inserts of one key in one shard.
 */
export type LookupIndex = {
  /** Claims what is free, and answers who holds each. One round trip for each shard touched. */
  claim(claims: readonly Claim[], call: Call): Promise<readonly Holder[]>
  /** Says that the main rows are there. Safe to repeat. One round trip for each shard touched. */
  confirm(claims: readonly Claim[], call: Call): Promise<void>
  /** Gives pending claims back. Safe to repeat. */
  release(claims: readonly Claim[], call: Call): Promise<void>
  /** Gives pending claims back that are as they were inserted: one that another try took up is that try's. Safe to repeat. */
  giveBack(claims: readonly Claim[], call: Call): Promise<void>
  /** Moves a pending claim from `from` to its new owner, or takes it up anew for the same; false when it was no longer so. */
  takeOver(claim: Claim, from: Holder, call: Call): Promise<boolean>
  /** Who holds a text. The caller verifies it against the main row: a claim may be pending. One round trip. */
  find(kind: string, text: string, call: Call): Promise<string | undefined>
}

/** Where an indexed text lives: hashed with its kind, so that a handle and an e-mail of one person spread. */
export function slotOfIndexed({ kind, text }: Pick<Claim, 'kind' | 'text'>): number {
  return slotOfText(`${kind}|${text}`)
}

function keysOf(claims: readonly Claim[]): string {
  return JSON.stringify(
    claims.map((claim) => [slotText(slotOfIndexed(claim)), claim.kind, claim.text, claim.owner]),
  )
}

const matching = `(slot, kind, text, owner_id) IN
(SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?))`

function holderOf(row: Rows['rows'][number]): Holder {
  const [, , owner, state, claimedAt] = row
  return {
    owner: String(owner),
    state: state === 'confirmed' ? 'confirmed' : 'pending',
    claimedAt: Number(claimedAt),
  }
}

function insertClaims(keys: string, now: number): Statement {
  return {
    sql: `INSERT INTO lookup (slot, kind, text, owner_id, claimed_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ? FROM json_each(?) WHERE true ON CONFLICT DO NOTHING`,
    args: [now, keys],
  }
}

function selectClaims(keys: string): Statement {
  return {
    sql: `SELECT kind, text, owner_id, state, claimed_at FROM lookup
WHERE (slot, kind, text) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))`,
    args: [keys],
  }
}

function confirmClaims(keys: string): Statement {
  return {
    sql: `UPDATE lookup SET state = 'confirmed', version = version + 1 WHERE state = 'pending' AND ${matching}`,
    args: [keys],
  }
}

function releaseClaims(keys: string): Statement {
  return { sql: `DELETE FROM lookup WHERE state = 'pending' AND ${matching}`, args: [keys] }
}

/** Taking a claim up makes its version grow. */
function giveClaimsBack(keys: string): Statement {
  return {
    sql: `DELETE FROM lookup WHERE state = 'pending' AND version = 1 AND ${matching}`,
    args: [keys],
  }
}

function moveClaim(claim: Claim, from: Holder, now: number): Statement {
  return {
    sql: `UPDATE lookup SET owner_id = ?, claimed_at = ?, version = version + 1
WHERE slot = ? AND kind = ? AND text = ? AND owner_id = ? AND state = 'pending' AND (claimed_at = ? OR owner_id = ?)`,
    args: [
      claim.owner,
      now,
      slotText(slotOfIndexed(claim)),
      claim.kind,
      claim.text,
      from.owner,
      from.claimedAt,
      claim.owner,
    ],
  }
}

export function createLookup(router: Router, clock: Clock): LookupIndex {
  const write = async (
    claims: readonly Claim[],
    statementsOf: (keys: string) => readonly Statement[],
    call: Call,
  ): Promise<Rows['rows']> => {
    const groups = await router.groups(claims, slotOfIndexed, call)
    const found: Rows['rows'][number][] = []
    await inWaves(groups, async (group) => {
      const answers = await router.writeAll(
        group.map(slotOfIndexed),
        statementsOf(keysOf(group)),
        call,
      )
      found.push(...(answers.at(-1)?.rows ?? []))
    })
    return found
  }
  return {
    claim: async (claims, call) => {
      const rows = await write(
        claims,
        (keys) => [insertClaims(keys, clock.now()), selectClaims(keys)],
        call,
      )
      const holders = new Map(
        rows.map((row) => [`${String(row[0])}|${String(row[1])}`, holderOf(row)]),
      )
      return claims.map((claim) => {
        const holder = holders.get(`${claim.kind}|${claim.text}`)
        if (holder === undefined)
          throw new Error(`Cannot claim ${claim.kind}: its row is gone again`)
        return holder
      })
    },
    confirm: async (claims, call) => {
      await write(claims, (keys) => [confirmClaims(keys)], call)
    },
    release: async (claims, call) => {
      await write(claims, (keys) => [releaseClaims(keys)], call)
    },
    giveBack: async (claims, call) => {
      await write(claims, (keys) => [giveClaimsBack(keys)], call)
    },
    takeOver: async (claim, from, call) => {
      const statement = moveClaim(claim, from, clock.now())
      const [rows] = await router.write(slotOfIndexed(claim), [statement], call)
      return rows?.rowsAffected === 1
    },
    find: async (kind, text, call) => {
      const slot = slotOfIndexed({ kind, text })
      const query = {
        sql: 'SELECT owner_id FROM lookup WHERE slot = ? AND kind = ? AND text = ?',
        args: [slotText(slot), kind, text],
      }
      const { rows } = await router.read(slot, query, call)
      const [row] = rows
      return row === undefined ? undefined : String(row[0])
    },
  }
}

export type ClaimJob = {
  /** All of one owner: the id that the new thing is to have. */
  readonly claims: readonly [Claim, ...Claim[]]
  /** Whether the main row of a holder is there and has the text: else the claim protects nothing. */
  readonly exists: (owner: string, claim: Claim) => Promise<boolean>
  readonly now: number
}

/** How often claims that others move meanwhile are read again. */
const claimTriesMax = 8

/** Others kept moving the claims of this very request; the same request will find them settled. */
export class ClaimContendedError extends Fault {
  override readonly name = 'ClaimContendedError'
  override readonly code = 'claim_contended'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor() {
    super('Cannot claim now: the same request is being made several times at once')
  }
}

/**
 * Claims texts for a new thing, all or none.
 *
 * Claims that other tries of the same request made are adopted: their ids begin like ours, because all come from the
 * same key, and of several the smallest is the id that every try goes on with. A pending claim of another request,
 * past its grace and without its main row, is taken over.
 *
 * @returns the id to create, or the kind that is taken.
 * @throws ClaimContendedError when other tries moved the claims again and again.
 */
export async function claimAll(
  index: LookupIndex,
  job: ClaimJob,
  call: Call,
): Promise<{ readonly owner: string } | { readonly taken: string }> {
  for (let tries = 0; tries < claimTriesMax; tries += 1) {
    const outcome = await claimOnce(index, job, call)
    if (outcome !== undefined) return outcome
  }
  throw new ClaimContendedError()
}

type Held = { readonly claim: Claim; readonly holder: Holder }

/** One try; `undefined` when a claim moved between reading and taking it. */
async function claimOnce(
  index: LookupIndex,
  { claims, exists, now }: ClaimJob,
  call: Call,
): Promise<{ readonly owner: string } | { readonly taken: string } | undefined> {
  const holders = await index.claim(claims, call)
  const mine = claims[0].owner
  const pairs = claims.flatMap((claim, position): Held[] => {
    const holder = holders[position]
    return holder === undefined ? [] : [{ claim, holder }]
  })
  const isOurs = ({ holder }: Held) => prefixOf(holder.owner) === prefixOf(mine)
  const strange = pairs.filter((pair) => !isOurs(pair))
  for (const { claim, holder } of strange) {
    const expired = holder.state === 'pending' && holder.claimedAt <= now - claimGraceMs
    if (expired && !(await exists(holder.owner, claim))) continue
    // Never what was adopted: the earlier try may have written its main row, and would lose its text to the next comer.
    await index.giveBack(claims, call)
    return { taken: claim.kind }
  }
  const owner =
    pairs
      .filter(isOurs)
      .map(({ holder }) => holder.owner)
      .toSorted()
      .at(0) ?? mine
  for (const { claim, holder } of pairs) {
    // An adopted claim that is old could be taken over while we still write: taken anew, its grace begins again.
    const isOld = holder.state === 'pending' && holder.claimedAt <= now - claimGraceMs / 2
    // What another try claimed is taken up even under the same id, or that try could still give it back.
    const isAdopted = holder.state === 'pending' && holder.owner !== mine
    if (holder.owner === owner && !isOld && !isAdopted) continue
    if (!(await index.takeOver({ ...claim, owner }, holder, call))) return undefined
  }
  return { owner }
}
