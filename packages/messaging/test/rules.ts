import { rootCall, type SqlValue } from '@stoa/kernel'

import { pruneBarriers, pruneShard } from '../src/index.ts'
import { claimEvents, readClaimed, settleClaim } from '../src/outbox.ts'
import type { Database, Rewrite } from './databases.ts'
import { publicUrl, World } from './world.ts'

const call = rootCall('rules')
const dayMs = 24 * 60 * 60 * 1_000

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

export type Left = {
  readonly okey: string
  readonly seq: number
  readonly nextAt: number
  readonly leaseUntil?: number
  readonly attempts?: number
  readonly type?: string
}

/** Writes rows as commits would whose isolates died before they published. */
export async function leave(world: World, database: Database, rows: readonly Left[]) {
  for (const { okey, seq, nextAt, leaseUntil = 0, attempts = 0, type = 'post.created' } of rows) {
    await database.run(
      `INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at, lease_until, attempts)
VALUES (?, 'post', ?, ?, ?, ?, 1, ?, ?, ?)`,
      world.ids.child(okey),
      type,
      okey,
      seq,
      JSON.stringify({ post: okey, author: okey, text: 'x', createdAt: 1 }),
      nextAt,
      leaseUntil,
      attempts,
    )
  }
}

export async function claim(database: Database, worker: string, now: number, limit = 100) {
  const statement = claimEvents({ worker, now, leaseMs: 30_000, limit })
  const [rows] = await database.batch([statement], 'write', call)
  return readClaimed(rows)
}

async function settle(
  database: Database,
  settled: Parameters<typeof settleClaim>[0],
  { worker, now }: { readonly worker: string; readonly now: number },
): Promise<number> {
  const [rows] = await database.batch([settleClaim(settled, worker, now)], 'write', call)
  return rows?.rows.length ?? 0
}

function databaseOf(world: World): Database {
  const [database] = world.databases
  if (database === undefined) throw new Error('There is no database')
  return database
}

/** What a claim and its settlement promise. @throws what is wrong */
export async function sweepRules(rewrite: Rewrite): Promise<void> {
  const world = await World.open({ rewrite })
  const database = databaseOf(world)
  try {
    const now = world.clock.now()
    const [one, other, third] = [world.aggregate(0), world.aggregate(0), world.aggregate(0)]
    await leave(world, database, [
      { okey: one, seq: 1, nextAt: 2 },
      { okey: one, seq: 2, nextAt: 3 },
      { okey: other, seq: 1, nextAt: 4 },
      // Its first was given back, and comes later than what stands behind it.
      { okey: third, seq: 1, nextAt: now - 1, attempts: 3 },
      { okey: third, seq: 2, nextAt: 1 },
      { okey: third, seq: 3, nextAt: 1 },
    ])
    const [first] = await claim(database, 'w', now, 1)
    must(first?.event.key === one && first.event.seq === 1, 'the oldest that may go goes first')
    const second = await claim(database, 'v', now)
    const heads = second.map(({ event }) => `${event.key} ${event.seq}`).toSorted()
    must(
      heads.join() === [`${other} 1`, `${third} 1`].toSorted().join(),
      `while the first of a key is another's, none of its later ones is taken: ${heads.join()}`,
    )
    must((await claim(database, 'u', now)).length === 0, 'what is leased is nobody else’s')

    // The lease ends; the same worker takes the row again; what it began before must not be heard.
    const later = now + 30_001
    const again = (await claim(database, 'w', later)).find(
      ({ event }) => event.id === first?.event.id,
    )
    must(again?.epoch === 2, 'a lease that ended is given out again')
    const id = first?.event.id ?? ''
    const zombie = [{ id, epoch: 1, error: 'late', isRefused: true }]
    must((await settle(database, zombie, { worker: 'w', now: later })) === 0, 'a zombie was heard')
    const stranger = [{ id, epoch: 2, error: 'late', isRefused: true }]
    must(
      (await settle(database, stranger, { worker: 'x', now: later })) === 0,
      'a stranger was heard',
    )

    // A refusal is waited for, twice as long each time, and in the end given up.
    await database.run('UPDATE outbox SET attempts = 4 WHERE id = ?', id)
    await settle(database, stranger, { worker: 'w', now: later })
    const [[state, nextAt] = []] = await database.run(
      'SELECT state, next_at FROM outbox WHERE id = ?',
      id,
    )
    must(state === 'ready' && nextAt === later + 40_000, `the wait grows: ${String(nextAt)}`)
    await database.run('UPDATE outbox SET attempts = 19, next_at = 1 WHERE id = ?', id)
    for (const [isRefused, expected] of [
      [false, 'ready'],
      [true, 'dead'],
    ] as const) {
      const [taken] = await claim(database, 'w', later, 1)
      await settle(
        database,
        [{ id: taken?.event.id ?? '', epoch: taken?.epoch ?? 0, error: 'no', isRefused }],
        { worker: 'w', now: later },
      )
      const [[is] = []] = await database.run('SELECT state FROM outbox WHERE id = ?', id)
      must(is === expected, `an event is ${String(is)}, and not ${expected}`)
      await database.run('UPDATE outbox SET next_at = 1 WHERE id = ?', id)
    }

    // A slot that is frozen keeps its rows.
    await database.run("UPDATE _slot_owner SET state = 'frozen'")
    must((await claim(database, 'w', later + 1e9)).length === 0, 'a frozen slot was swept')
  } finally {
    world.close()
  }
}

/** What the clean-up promises. @throws what is wrong */
export async function pruneRules(rewrite: Rewrite): Promise<void> {
  const world = await World.open({ rewrite })
  const database = databaseOf(world)
  const now = world.clock.now()
  const key = world.aggregate(0)
  const frozen = world.aggregate(1)
  const run = (sql: string, ...args: SqlValue[]) => database.run(sql, ...args)
  const inbox = (consumer: string, days: number, slot = key) =>
    run(
      'INSERT INTO inbox VALUES (?, ?, ?, ?)',
      slot,
      consumer,
      world.ids.child(key),
      now - days * dayMs,
    )
  const saga = (id: string, days: number | null) =>
    run(
      "INSERT INTO saga (id, kind, state, steps, deadline, next_at, created_at, finished_at) VALUES (?, 'k', 's', '[]', 1, 1, 1, ?)",
      id,
      days === null ? null : now - days * dayMs,
    )
  const barrier = (gid: string, slot = key) =>
    run("INSERT INTO barrier VALUES (?, ?, 'b', 'try', 'try', 't', 1)", slot, gid)
  const expiring = (days: number, slot: string) =>
    run(
      "INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, created_at, expires_at) VALUES (?, 'p', 'm', 'r', ?, 'f', 1, ?)",
      slot,
      String(days),
      now - days * dayMs,
    )
  const parked = (consumer: string, seq: number) =>
    run(
      "INSERT INTO parked (slot, consumer, okey, seq, event, parked_at) VALUES (?, ?, ?, ?, '{}', 1)",
      key,
      consumer,
      key,
      seq,
    )
  const count = async (from: string) => Number((await run(`SELECT count(*) FROM ${from}`))[0]?.[0])
  try {
    await leave(
      world,
      database,
      [1, 2, 3, 4].map((seq) => ({ okey: key, seq, nextAt: 1 })),
    )
    await leave(world, database, [{ okey: frozen, seq: 1, nextAt: 1 }])
    await run("UPDATE outbox SET state = 'sent', sent_at = ? WHERE seq = 1", now - 8 * dayMs)
    await run("UPDATE outbox SET state = 'sent', sent_at = ? WHERE seq = 2", now - 6 * dayMs)
    await run("UPDATE outbox SET state = 'dead', created_at = 1 WHERE seq = 3")
    for (const [consumer, days] of [
      ['stats', 91],
      ['stats', 89],
      ['payments', 900],
      ['payments:line', 900],
      ['paymentsx', 91],
    ] as const)
      await inbox(consumer, days)
    await inbox('stats', 91, frozen)
    const sagas = [
      world.ids.child(key),
      world.ids.child(key),
      world.ids.child(key),
      world.ids.child(key),
    ]
    const [young = '', ended = '', open = '', unknown = ''] = sagas
    await saga(young, 31)
    await saga(ended, 38)
    await saga(open, null)
    for (const gid of [young, ended, open, unknown]) await barrier(gid)
    await barrier(ended, frozen)
    // More places than are looked at in one go.
    await run(
      "INSERT INTO barrier SELECT ?, ?, value, 'try', 'try', 't', 1 FROM json_each(?)",
      `${key}Z`,
      ended,
      JSON.stringify(Array.from({ length: 300 }, (_, n) => `b${n}`)),
    )
    await expiring(1, key)
    await expiring(-1, key)
    await expiring(1, frozen)
    await run('INSERT INTO inbox_cursor VALUES (?, ?, ?, 4)', key, 'social', key)
    for (const seq of [4, 6]) await parked('social', seq)
    await parked('dead/social', 3)
    await run("UPDATE _slot_owner SET state = 'frozen' WHERE lo = ?", frozen.slice(0, 3))

    // As the relay asks: those that ended, and nothing of those that nobody knows.
    const endedBefore = async (gids: readonly string[], time: number) => {
      const sql =
        'SELECT id FROM saga WHERE finished_at <= ? AND id IN (SELECT value FROM json_each(?))'
      return (await run(sql, time, JSON.stringify(gids))).map(([id]) => String(id))
    }
    await pruneBarriers(database, { now, from: '000', endedBefore }, call)
    await pruneShard(database, now, call)
    await pruneShard(database, now, call)

    const left = (await run('SELECT gid, slot FROM barrier ORDER BY gid, slot')).map(([gid]) => gid)
    must(
      left.join() === [ended, open, unknown].toSorted().join(),
      `barrier rows are left of ${left.join()}`,
    )
    must((await count('saga')) === 2, 'sagas are left')
    const outbox = (await run('SELECT okey, seq FROM outbox ORDER BY okey = ?, seq', key)).map(
      ([, seq]) => seq,
    )
    must(outbox.join() === '1,2,3,4', `outbox rows are left: ${outbox.join()}`)
    const consumers = (await run('SELECT consumer FROM inbox ORDER BY consumer, at')).flat()
    must(
      consumers.join() === 'payments,payments:line,stats,stats',
      `inbox rows are left: ${consumers.join()}`,
    )
    must((await count('idempotency')) === 2, 'keys are left')
    must((await count('inbox_cursor')) === 1, 'a cursor went')
    const waiting = (await run('SELECT seq FROM parked ORDER BY seq')).flat()
    must(waiting.join() === '3,6', `parked are left: ${waiting.join()}`)
  } finally {
    world.close()
  }
}

/** What an inbox that follows an order promises when copies come at once. @throws what is wrong */
export async function orderRules(rewrite: Rewrite): Promise<void> {
  const world = await World.open({ rewrite })
  const database = databaseOf(world)
  try {
    const key = world.aggregate(0)
    const events = await world.begin().commit(key, 6)
    const give = (...seqs: number[]) => {
      const body = JSON.stringify({ events: events.filter(({ seq }) => seqs.includes(seq)) })
      const message = { url: `${publicUrl}/_inbox/social`, body, retries: 0 }
      return world.begin().deliver({ id: `given ${seqs.join()}`, message, tries: 0 })
    }
    const done = async () => (await world.effects()).map(({ seq }) => seq).join()
    // What is given is given once: whoever forgets it has lost it.
    for (const seq of [3, 1, 2]) await give(seq)
    must((await done()) === '1,2,3', `after 3, 1, 2 it did ${await done()}`)

    // Between the look of one and its write, another applies the very same, and all before it.
    let isOther = false
    database.before = async () => {
      database.before = async () => {
        if (isOther) return
        isOther = true
        await give(4)
        await give(5)
        database.before = async () => undefined
      }
    }
    await give(5)
    must((await done()) === '1,2,3,4,5', `after copies at once it did ${await done()}`)
    must((await world.count('parked')) === 0, 'what was applied stays parked')

    // Between the look of one and its write, another parks what follows.
    const seventh = await world.begin().commit(key, 1)
    isOther = false
    database.before = async () => {
      database.before = async () => {
        if (isOther) return
        isOther = true
        database.before = async () => undefined
        const body = JSON.stringify({ events: seventh })
        const message = { url: `${publicUrl}/_inbox/social`, body, retries: 0 }
        await world.begin().deliver({ id: 'given 7', message, tries: 0 })
      }
    }
    await give(6)
    must((await done()) === '1,2,3,4,5,6,7', `what was parked meanwhile waits: ${await done()}`)
  } finally {
    world.close()
  }
}
