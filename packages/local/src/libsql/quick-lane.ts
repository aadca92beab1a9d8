import type { Connection } from './connection.ts'
import { decodeStmt } from './decode.ts'
import { isProvenQuick } from './quick-proof.ts'
import { Budget, JsonSink } from './results.ts'
import { singleStatement } from './statement.ts'
import type { Store } from './store.ts'
import { newStream } from './stream.ts'
import { isRecord } from './values.ts'

/** A pipeline of one read and its close: what the official client sends for `execute`. */
export type QuickRead = { readonly sql: string; readonly stmt: unknown }

export type QuickAnswer = { readonly body: string; readonly rows: number }

type Lane = {
  readonly store: Store
  schemaVersion: number
  /** By text: how often it was seen, or what was found when it had been seen often enough. */
  readonly texts: Map<string, number | 'quick' | 'unproven'>
}

export type QuickLaneOptions = { readonly openStore: (database: string) => Store }

/** Times a text must have been seen before its plan is worth a look. */
const timesBeforeProof = 4
/** Databases kept open here, and texts remembered for each. */
const maxLanes = 400
const maxTexts = 200
/** Longer bodies carry more than a key. */
const maxBodyLength = 4096

/**
 * Answers reads of single rows without a thread: handing one over costs several times what it takes to run it.
 *
 * Only texts that are proven to read at most one row of each table come here, so that nothing waits behind them; in WAL
 * mode such a read neither waits for a writer nor delays one. Whatever is out of the ordinary goes to a thread.
 */
export class QuickLane {
  readonly #openStore: (database: string) => Store
  readonly #lanes = new Map<string, Lane>()

  constructor(options: QuickLaneOptions) {
    this.#openStore = options.openStore
  }

  /** The answer to `read`, or undefined when a thread has to give it. */
  answer(database: string, schemaVersion: number, read: QuickRead): QuickAnswer | undefined {
    const lane = this.#laneOf(database)
    if (lane.schemaVersion !== schemaVersion) {
      lane.schemaVersion = schemaVersion
      lane.store.schema.version += 1
      lane.texts.clear()
    }
    if (!this.#isQuick(lane, read.sql)) return undefined
    try {
      return withConnection(lane.store, (connection) => run(read, connection))
    } catch {
      // A thread runs it again and says what is wrong with it.
      return undefined
    }
  }

  #isQuick(lane: Lane, sql: string): boolean {
    const known = lane.texts.get(sql) ?? 0
    if (known === 'quick') return true
    if (known === 'unproven') return false
    if (lane.texts.size >= maxTexts) lane.texts.clear()
    lane.texts.set(sql, known + 1)
    if (known + 1 < timesBeforeProof) return false
    const isProven = prove(lane.store, sql)
    lane.texts.set(sql, isProven ? 'quick' : 'unproven')
    return isProven
  }

  #laneOf(database: string): Lane {
    const known = this.#lanes.get(database)
    if (known !== undefined) return known
    if (this.#lanes.size >= maxLanes) this.#closeOldest()
    const lane = { store: this.#openStore(database), schemaVersion: 0, texts: new Map() }
    this.#lanes.set(database, lane)
    return lane
  }

  #closeOldest(): void {
    for (const [name, { store }] of this.#lanes) {
      store.close()
      this.#lanes.delete(name)
      return
    }
  }

  close(): void {
    for (const { store } of this.#lanes.values()) store.close()
    this.#lanes.clear()
  }
}

/** What a body asks for, when it is one read and nothing else. */
export function quickReadOf(body: string): QuickRead | undefined {
  if (body.length > maxBodyLength || !body.includes('"execute"')) return undefined
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (!isRecord(value) || (value['baton'] ?? null) !== null) return undefined
  const { requests } = value
  if (!Array.isArray(requests) || requests.length !== 2) return undefined
  const [first, second] = requests as readonly unknown[]
  if (!isRecord(first) || !isRecord(second)) return undefined
  if (first['type'] !== 'execute' || second['type'] !== 'close') return undefined
  const { stmt } = first
  if (!isRecord(stmt) || typeof stmt['sql'] !== 'string') return undefined
  return { sql: stmt['sql'], stmt }
}

function prove(store: Store, sql: string): boolean {
  try {
    const statement = singleStatement(sql)
    return (
      statement.kind === 'read' &&
      withConnection(store, (connection) => isProvenQuick(statement, connection))
    )
  } catch {
    // No statement that runs: a thread says so.
    return false
  }
}

function withConnection<T>(store: Store, use: (connection: Connection) => T): T {
  const stream = newStream(store.connection())
  try {
    return use(stream.connection)
  } finally {
    store.giveBack(stream)
  }
}

const noSql: ReadonlyMap<number, string> = new Map()

function run(read: QuickRead, connection: Connection): QuickAnswer | undefined {
  const startMs = performance.now()
  const { statement, args, wantsRows } = decodeStmt(read.stmt, noSql)
  const sink = new JsonSink(new Budget())
  const running = connection.start(statement, args)
  sink.begin(running)
  const rows: (readonly unknown[])[] = []
  for (let next = running.rows.next(); next.done !== true; next = running.rows.next())
    rows.push(next.value as readonly unknown[])
  const outcome = running.outcome()
  // A thread has changed the schema and its answer is still on its way here.
  const width = running.prepared.columns.length
  const isStale = rows.some((values) => values.length !== width)
  if (isStale) return undefined
  if (wantsRows) for (const values of rows) sink.row(values)
  const counts = { rowsRead: rows.length, rowsWritten: 0 }
  sink.end(outcome, performance.now() - startMs, counts)
  const body = `{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"execute","result":${sink.json}}},{"type":"ok","response":{"type":"close"}}]}`
  return { body, rows: rows.length }
}
