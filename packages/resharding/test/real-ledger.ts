import {
  createIds,
  isFault,
  type Random,
  seededRandom,
  slotText,
  type Statement,
  systemClock,
} from '@stoa/kernel'

import { call, type RealWorld } from './real-world.ts'

/** What is known of a row: its write or its deletion was acknowledged, or no answer to it came. */
export type Known = 'there' | 'perhaps there' | 'gone' | 'perhaps gone'

/** The versions that a thing may have. */
export type Versions = { least: number; most: number }

/** What the writers were told, and what they saw that cannot be. */
export type Ledger = {
  /** By `<table> <id>`. */
  readonly rows: Map<string, Known>
  readonly things: Map<string, Versions>
  readonly wrongs: Set<string>
  readonly counts: { acknowledged: number; ambiguous: number; refused: number; read: number }
}

export function createLedger(): Ledger {
  const counts = { acknowledged: 0, ambiguous: 0, refused: 0, read: 0 }
  return { rows: new Map(), things: new Map(), wrongs: new Set(), counts }
}

/** A batch, the rows it makes or deletes, and the thing whose version it raises. */
type Change = {
  readonly key: string
  readonly statements: readonly Statement[]
  readonly rows: readonly string[]
  readonly isDeletion?: boolean
  readonly raises?: string
}

type Place = {
  readonly world: RealWorld
  readonly ledger: Ledger
  readonly slots: readonly number[]
}

const pick = <T>(items: readonly T[], random: Random): T | undefined =>
  items[random.uint32() % items.length]

/** Makes up the changes of one writer; no other changes its things. */
function changesOf({ ledger, slots }: Place, random: Random) {
  const ids = createIds({ clock: systemClock, random })
  const things: string[] = []
  const entries: { id: string; thing: string }[] = []
  const create = (): Change => {
    const slot = pick(slots, random) ?? 0
    const id = ids.rootAt(`${slotText(slot)}0${random.uint32() % 4}`)
    things.push(id)
    ledger.things.set(id, { least: 1, most: 1 })
    const sql = 'INSERT INTO thing (id, version) VALUES (?, 1)'
    return { key: id, statements: [{ sql, args: [id] }], rows: [`thing ${id}`] }
  }
  const enter = (thing: string): Change => {
    const id = ids.child(thing)
    entries.push({ id, thing })
    const body = Uint8Array.of(0, random.uint32() % 256)
    const sql = 'INSERT INTO entry (id, thing, body) VALUES (?, ?, ?)'
    return { key: thing, statements: [{ sql, args: [id, thing, body] }], rows: [`entry ${id}`] }
  }
  const raise = (thing: string): Change => {
    const id = ids.child(thing)
    const statements = [
      { sql: 'UPDATE thing SET version = version + 1 WHERE id = ?', args: [thing] },
      {
        sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, created_at, expires_at)
VALUES (?, 'p', 'POST', '/', ?, 'f', 1, 2)`,
        args: [id, id],
      },
      {
        sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at)
SELECT ?, 't', 't.t', id, version, '{}', 1, 1 FROM thing WHERE id = ?`,
        args: [id, thing],
      },
    ]
    return { key: thing, statements, rows: [`idempotency ${id}`, `outbox ${id}`], raises: thing }
  }
  const remove = (id: string): Change => ({
    key: id,
    statements: [{ sql: 'DELETE FROM entry WHERE id = ?', args: [id] }],
    rows: [`entry ${id}`],
    isDeletion: true,
  })
  return (): Change => {
    const thing = pick(things, random)
    const isSure = thing !== undefined && ledger.rows.get(`thing ${thing}`) === 'there'
    if (!isSure || random.uint32() % 6 === 0) return create()
    const kind = random.uint32() % 5
    const oldest = kind < 2 ? entries.shift() : undefined
    if (oldest !== undefined && ledger.rows.get(`entry ${oldest.id}`) === 'there')
      return remove(oldest.id)
    return kind < 4 ? enter(thing) : raise(thing)
  }
}

/** How a write ended, as far as its writer can know. */
type Ending = 'acknowledged' | 'ambiguous' | 'refused'

async function send({ world }: Place, { key, statements }: Change): Promise<Ending> {
  try {
    await world.router.write(key, statements, call)
    return 'acknowledged'
  } catch (error) {
    if (!isFault(error)) throw error
    // What the network delivers twice may be refused at first and take effect late: a retry finds its own rows.
    if (error.code === 'ambiguous_write' || error.code === 'sql_constraint') return 'ambiguous'
    if (!error.retryable) throw error
    return 'refused'
  }
}

function note({ rows, things, counts }: Ledger, change: Change, ending: Ending): void {
  counts[ending] += 1
  if (ending === 'refused') return
  const isSure = ending === 'acknowledged'
  const known: readonly [Known, Known] = change.isDeletion
    ? ['gone', 'perhaps gone']
    : ['there', 'perhaps there']
  for (const row of change.rows) rows.set(row, isSure ? known[0] : known[1])
  const versions = things.get(change.raises ?? '')
  if (versions === undefined) return
  versions.most += 1
  if (isSure) versions.least += 1
}

/** Reads a thing back: it is there, in its last version, however old the reader's topology is. */
async function readBack({ world, ledger }: Place, thing: string): Promise<void> {
  const statement = { sql: 'SELECT version FROM thing WHERE id = ?', args: [thing] }
  let found: number | undefined
  try {
    const { rows } = await world.router.read(thing, statement, call)
    found = rows[0] === undefined ? undefined : Number(rows[0][0])
  } catch (error) {
    if (!isFault(error) || !error.retryable) throw error
    return
  }
  ledger.counts.read += 1
  const { least, most } = ledger.things.get(thing) ?? { least: 0, most: 0 }
  if (found === undefined || found < least || found > most)
    ledger.wrongs.add(`a read gave version ${found} of ${thing}: it has ${least} to ${most}`)
}

export type Writing = {
  /** Each writes after a pause of so many milliseconds. */
  readonly pauseMs: number
  readonly seed: number
}

/** Writes and reads back until it is stopped. */
export async function keepWriting(
  place: Place,
  { pauseMs, seed }: Writing,
  stopped: AbortSignal,
): Promise<void> {
  const random = seededRandom(seed)
  const next = changesOf(place, random)
  while (!stopped.aborted) {
    const change = next()
    const ending = await send(place, change)
    note(place.ledger, change, ending)
    const { raises } = change
    if (raises !== undefined) await readBack(place, raises)
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs)
    })
  }
}
