import type { Call, Clock, Rows, Statement } from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

/** The most entries that one seal covers: a bound on what is read at once. */
const entriesMax = 500

/** What the first entry of an account is chained to. */
const genesis = '0'.repeat(64)

const encoder = new TextEncoder()

/** What a check of an account's chain found: all sealed entries as they were, or the seal that does not fit. */
export type SealCheck =
  | { readonly intact: true; readonly sealed: number }
  | { readonly intact: false; readonly brokenAt: number }

export type Seals = {
  /**
   * Chains the entries of `account` that no seal covers, at most 500, and answers how many they were. Two round trips;
   * one when there is nothing to seal. Two at once write the same.
   */
  seal(account: string, call: Call): Promise<number>
  /** Computes the chain anew and compares every seal. One round trip for each 500 entries. */
  verify(account: string, call: Call): Promise<SealCheck>
}

type SealedHead = { readonly seq: number; readonly hash: string }

/** SHA-256 of the hash before and the entry as it stands, so that no entry can change without all hashes after it. */
async function chain(before: string, entry: Rows['rows'][number]): Promise<string> {
  const text = `${before}\n${JSON.stringify(entry.map(String))}`
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function selectEntries(account: string, after: number): Statement {
  return {
    sql: `SELECT account, seq, source, kind, lines, at FROM journal WHERE account = ? AND seq > ? ORDER BY seq LIMIT ${entriesMax}`,
    args: [account, after],
  }
}

function selectUnsealed(account: string): Statement {
  return {
    sql: `SELECT j.account, j.seq, j.source, j.kind, j.lines, j.at, s.seq AS head, s.hash AS hash
FROM journal AS j LEFT JOIN (SELECT seq, hash FROM seal WHERE account = ? ORDER BY seq DESC LIMIT 1) AS s
WHERE j.account = ? AND j.seq > coalesce(s.seq, 0) ORDER BY j.seq LIMIT ${entriesMax}`,
    args: [account, account],
  }
}

async function chainAll(head: SealedHead, entries: Rows['rows']): Promise<SealedHead> {
  let { seq, hash } = head
  for (const entry of entries) {
    hash = await chain(hash, entry)
    seq = Number(entry[1])
  }
  return { seq, hash }
}

function selectSeals(account: string, after: number): Statement {
  return {
    sql: 'SELECT seq, hash FROM seal WHERE account = ? AND seq > ? ORDER BY seq LIMIT 500',
    args: [account, after],
  }
}

type Compared = {
  readonly head: SealedHead
  /** The last entry that a seal covers, of these. */
  readonly sealed: number | undefined
  readonly brokenAt: number | undefined
}

/** Chains `entries` on, and compares each seal on the way. Seals of entries further on are left for them. */
async function compare(
  before: SealedHead,
  entries: Rows['rows'],
  rows: Rows['rows'],
): Promise<Compared> {
  const seals = new Map(rows.map(([seq, hash]) => [Number(seq), String(hash)]))
  let { seq, hash } = before
  let sealed: number | undefined
  for (const entry of entries) {
    hash = await chain(hash, entry)
    seq += 1
    const seal = seals.get(seq)
    const isBroken = Number(entry[1]) !== seq || (seal !== undefined && seal !== hash)
    if (isBroken) return { head: { seq, hash }, sealed, brokenAt: seq }
    if (seal !== undefined) sealed = seq
  }
  const isLast = entries.length < entriesMax
  const lost = isLast ? [...seals.keys()].find((each) => each > seq) : undefined
  return { head: { seq, hash }, sealed, brokenAt: lost }
}

/**
 * The hash chain over each account's journal. A database cannot hash, and a chain inside the batch would cost every
 * entry a round trip; so entries are sealed after they were booked, and what is sealed cannot change unnoticed.
 */
export function createSeals({
  keyspace,
  clock,
}: {
  readonly keyspace: Pick<Router, 'read' | 'readMany' | 'write'>
  readonly clock: Clock
}): Seals {
  return {
    seal: async (account, call) => {
      const { rows } = await keyspace.read(account, selectUnsealed(account), call)
      const [first] = rows
      if (first === undefined) return 0
      const before = { seq: Number(first[6] ?? 0), hash: String(first[7] ?? genesis) }
      const entries = rows.map((row) => row.slice(0, 6))
      const { seq, hash } = await chainAll(before, entries)
      const sql = `INSERT INTO seal (account, seq, hash, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
      await keyspace.write(account, [{ sql, args: [account, seq, hash, clock.now()] }], call)
      return entries.length
    },
    verify: async (account, call) => {
      let head: SealedHead = { seq: 0, hash: genesis }
      let sealed = 0
      for (;;) {
        const statements = [selectEntries(account, head.seq), selectSeals(account, head.seq)]
        const queries = statements.map((statement) => ({ key: account, statement }))
        const [entries, seals] = await keyspace.readMany(queries, call)
        const found = await compare(head, entries?.rows ?? [], seals?.rows ?? [])
        if (found.brokenAt !== undefined) return { intact: false, brokenAt: found.brokenAt }
        sealed = found.sealed ?? sealed
        head = found.head
        if ((entries?.rows.length ?? 0) < entriesMax) return { intact: true, sealed }
      }
    },
  }
}
