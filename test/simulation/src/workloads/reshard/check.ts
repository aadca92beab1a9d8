import { checkLinearizable, type Operation } from '../../checkers/linearizability.ts'
import type { Database } from '../../core/database.ts'
import { reads } from './client.ts'
import { type Asked, type Input, objectModel, spell } from './history.ts'
import type { Owner, World } from './world.ts'

/** What a shard says of one key. */
export type Word = { readonly state: string; readonly epoch: number; readonly job: string | null }

const writable: ReadonlySet<string | undefined> = new Set(['serving', 'migrating'])
const readable: ReadonlySet<string | undefined> = new Set(['serving', 'migrating', 'frozen'])

async function wordOf(world: World, shard: Database, key: string): Promise<Word | undefined> {
  const [row] = await world.look(
    shard,
    'SELECT state, epoch, job FROM _slot_owner WHERE lo <= ? AND ? < hi ORDER BY lo DESC LIMIT 1',
    key,
    key,
  )
  if (row === undefined) return undefined
  return {
    state: String(row[0]),
    epoch: Number(row[1]),
    job: row[2] === null ? null : String(row[2]),
  }
}

/** Never two databases that take writes for one key, nor two that answer for it; checked after each change of owners. */
export async function checkOwnership(world: World): Promise<void> {
  for (const { id } of world.owners) {
    const words = await Promise.all(
      world.shards.map(async (shard) => ({ shard, word: await wordOf(world, shard, id) })),
    )
    for (const [kind, states] of [
      ['two owners', writable],
      ['two readable copies', readable],
    ] as const) {
      const held = words.filter(({ word }) => states.has(word?.state))
      if (held.length < 2) continue
      const says = held.map(
        ({ shard, word }) => `${shard.name} ${word?.state ?? ''}@${String(word?.epoch)}`,
      )
      world.simulation.violate(kind, `${id}: ${says.join(', ')}`)
    }
  }
}

/** After all has ended: one owner of each key, nothing left elsewhere, and what is there is what the histories say. */
export async function checkEnd(world: World, history: readonly Asked[]): Promise<void> {
  for (const owner of world.owners) {
    const home = await homeOf(world, owner)
    if (home === undefined) return
    await checkRemains(world, owner, home)
    const own = history.filter((asked) => asked.owner === owner.id)
    await resolve({ world, home, id: owner.id }, own)
  }
  checkHistories(world, history)
}

async function homeOf(world: World, { id }: Owner): Promise<Database | undefined> {
  const homes: Database[] = []
  for (const shard of world.shards) {
    const word = await wordOf(world, shard, id)
    if (writable.has(word?.state)) homes.push(shard)
    if (word?.job != null && word.job !== '')
      world.simulation.violate('job left behind', `${id} in ${shard.name}: ${word.job}`)
  }
  const [home] = homes
  if (home === undefined || homes.length > 1)
    world.simulation.violate('no single owner', `${id}: ${homes.map(({ name }) => name).join()}`)
  return home
}

const tables: readonly (readonly [string, string])[] = [
  ['register', 'id'],
  ['tally', 'slot'],
  ['seat', 'id'],
  ['idempotency', 'slot'],
  ['outbox', 'okey'],
]

/** A move that has ended leaves no rows behind. */
async function checkRemains(world: World, { id }: Owner, home: Database): Promise<void> {
  const prefix = id.slice(0, 5)
  for (const shard of world.shards) {
    if (shard === home) continue
    for (const [table, key] of tables) {
      const sql = `SELECT count(*) FROM ${table} WHERE substr(${key}, 1, 5) = ?`
      const [row] = await world.look(shard, sql, prefix)
      if (Number(row?.[0]) > 0)
        world.simulation.violate(
          'rows left behind',
          `${String(row?.[0])} of ${table} of ${id} in ${shard.name}`,
        )
    }
  }
}

const countPast = "SELECT count(*) FROM idempotency WHERE slot = ? AND principal = 'past'"
const selectReplies =
  "SELECT key, response FROM idempotency WHERE slot = ? AND principal = 'client'"

/** Learns from the owner what became of writes in doubt, adds what is there at last, and judges the events. */
async function resolve(
  { world, home, id }: { readonly world: World; readonly home: Database; readonly id: string },
  history: readonly Asked[],
): Promise<void> {
  const { simulation, plan } = world
  const past = await world.look(home, countPast, id)
  const kept = Number(past[0]?.[0])
  if (kept !== plan.pastRows)
    simulation.violate('lost past', `${String(kept)} of ${String(plan.pastRows)} rows of ${id}`)
  const found = await world.look(home, selectReplies, id)
  const replies = new Map(found.map(([key, reply]) => [String(key), Number(reply)]))
  for (const asked of history.filter(({ input }) => input.kind !== 'read')) {
    const reply = replies.get(asked.id)
    if (asked.output !== undefined && reply === undefined)
      simulation.violate('lost write', spell(asked))
    if (asked.output === undefined && !asked.isInDoubt && reply !== undefined)
      simulation.violate('a refused write took effect', spell(asked))
    if (asked.output !== undefined && reply !== undefined && asked.output !== reply)
      simulation.violate('another answer', `${spell(asked)}, kept ${String(reply)}`)
    asked.output ??= reply
  }
  const events = await world.look(
    home,
    'SELECT payload, seq FROM outbox WHERE okey = ? ORDER BY seq',
    id,
  )
  const told = events.map(([payload]) => String(payload))
  const missing = [...replies.keys()].filter((key) => !told.includes(key))
  if (missing.length > 0) simulation.violate('lost event', missing.join())
  if (told.length > replies.size) simulation.violate('doubled event', told.join())
  if (events.some(([, seq], index) => Number(seq) !== index + 1))
    simulation.violate('order of events', events.map(([, seq]) => String(seq)).join())
}

function operationOf(asked: Asked): Operation<Input, number> {
  const { input, output, calledAt, returnedAt } = asked
  return { input, output, calledAt, returnedAt, isCertain: output !== undefined }
}

/** Per object, one order that agrees with real time and every answer. */
function checkHistories({ simulation }: World, history: readonly Asked[]): void {
  const objects = Map.groupBy(history, ({ owner, object }) => `${owner}/${object}`)
  for (const [name, asked] of objects) {
    // By now every write is known to have happened or not; a read without an answer says nothing.
    const known = asked.filter(({ output }) => output !== undefined)
    const verdict = checkLinearizable(objectModel, known.map(operationOf))
    if (verdict === 'linearizable') continue
    simulation.violate(verdict, `${name}\n${known.map(spell).join('\n')}`)
  }
}

/** The last read of each object, straight from its owner: what everybody must see from now on. */
export async function lastReads(world: World, history: Asked[]): Promise<void> {
  const at = world.simulation.scheduler.steps + 1
  for (const { id, slot } of world.owners) {
    const home = await homeOf(world, { id, slot })
    if (home === undefined) return
    for (const object of ['register', 'tally', 'seat'] as const) {
      const rows = await world.look(home, reads[object], id)
      if (rows.length !== 1)
        world.simulation.violate('lost row', `${object} of ${id}: ${String(rows.length)} rows`)
      history.push({
        id: 'last read',
        owner: id,
        object,
        input: { kind: 'read' },
        calledAt: at,
        returnedAt: at + 1,
        output: Number(rows[0]?.[0]),
        isInDoubt: false,
      })
    }
  }
}
