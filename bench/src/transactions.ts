import { readFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type Client, createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/libsql'
import {
  type Call,
  createIds,
  rootCall,
  secureRandom,
  slotRange,
  type Statement,
  systemClock,
} from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  evenSlots,
  fenceSetOf,
  installFence,
  readCatalogue,
  type Router,
} from '@stoa/sharding'
import {
  barrier,
  bookEntry,
  createWallets,
  ledgerDdl,
  newToken,
  openBooks,
  walletStatements,
} from '@stoa/transactions'

import { atLeast, type Row } from './row.ts'
import { benchTransfers } from './transactions-transfers.ts'

/** Rounds; in each every form runs once, in an order that turns. */
const rounds = 1_200
const warmUpRounds = 150

const setUp = rootCall('bench')
const slot = 321

type Bench = {
  readonly router: Router
  readonly client: Client
  readonly account: string
  /** HTTP requests so far. */
  requests(): number
  close(): Promise<void>
}

async function makeTables(client: Client): Promise<void> {
  const shared = new URL('../../drizzle/shared/0000_shared.sql', import.meta.url)
  for (const ddl of [await readFile(shared, 'utf8'), ledgerDdl]) await client.executeMultiple(ddl)
  const { rows } = await client.execute(catalogueQuery.sql)
  for (const sql of installFence('bench', fenceSetOf(readCatalogue(rows))))
    await client.execute(sql)
  const { from, to } = slotRange(slot)
  await client.batch(
    [
      "UPDATE _shard_meta SET incarnation = 'i'",
      {
        sql: "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 1, 'serving')",
        args: [from, to],
      },
    ],
    'write',
  )
}

/** One account with much money in one database of the local server, reached as a Worker reaches it. */
async function open(): Promise<Bench> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine: 'in-process' })
  const url = `http://127.0.0.1:${servers.ports.libsql}`
  let requests = 0
  const counted = (request: Request): Promise<Response> => {
    requests += 1
    return fetch(request)
  }
  const client = createClient({ url, authToken: devTokens.libsql, fetch: counted })
  await makeTables(client)
  const shards = [{ name: 'bench', url, incarnation: 'i' }]
  const keyspaces = { money: { shards, slots: evenSlots(['bench']) } }
  const router = createRouter({
    slots: cacheTopology(async () => ({ version: 1, keyspaces })).slots('money'),
    open: () => libsqlShard({ name: 'bench', url, token: devTokens.libsql, fetch: counted }),
    sleep: async () => undefined,
  })
  const account = createIds({ clock: systemClock, random: secureRandom }).rootAt(
    `${slotRange(slot).from}00`,
  )
  const money = { currency: 'EUR', amount: 1_000_000_000 }
  const moves = [{ debit: 'external', credit: 'available', money }]
  const opening = bookEntry({ account, source: 'opening', kind: 'deposit', moves, at: 1 })
  await router.write(account, [openBooks(account, 'EUR'), opening], setUp)
  return {
    router,
    client,
    account,
    requests: () => requests,
    close: async () => {
      client.close()
      await servers.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

type Form = 'barrier' | 'bare' | 'interactive'

const always: Statement = { sql: 'TRUE', args: [] }
const money = { currency: 'EUR', amount: 1 }

/** The barrier as DTM has it: a transaction that asks, looks, and goes on. */
async function freezeInteractively({ client, account }: Bench, gid: string): Promise<void> {
  const hold = { account, gid, branch: 'b' }
  const transaction = await client.transaction('write')
  const entered = await transaction.execute({
    sql: `INSERT INTO barrier (slot, gid, branch, op, reason, token, at) VALUES (?, ?, 'b', 'try', 'try', 't', 1) ON CONFLICT DO NOTHING`,
    args: [account, gid],
  })
  if (entered.rowsAffected === 1) {
    const step = { gate: always, at: 1 }
    for (const { sql, args } of walletStatements({ op: 'freeze', hold, money }, step))
      await transaction.execute({ sql, args: [...args] })
  }
  await transaction.commit()
}

function formsOf(
  bench: Bench,
): Readonly<Record<Form, (gid: string, call: Call) => Promise<unknown>>> {
  const { router, account } = bench
  const wallets = createWallets({ keyspace: router, clock: systemClock, random: secureRandom })
  const request = (gid: string) =>
    ({ op: 'freeze', hold: { account, gid, branch: 'b' }, money }) as const
  return {
    barrier: (gid, call) => wallets.run(request(gid), call),
    bare: (gid, call) =>
      router.write(
        account,
        walletStatements(request(gid), { gate: always, at: systemClock.now() }),
        call,
      ),
    interactive: (gid) => freezeInteractively(bench, gid),
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

/** What a barrier must not be paid for with: the answer is right, and the second attempt changes nothing. */
async function check({ router, account }: Bench): Promise<void> {
  const hold = { account, gid: 'check', branch: 'b' }
  const outcomes: string[] = []
  for (let attempts = 0; attempts < 2; attempts += 1) {
    const at = systemClock.now()
    const operation = { key: account, gid: 'check', branch: 'b', op: 'try' } as const
    const attempt = { ...operation, token: newToken(secureRandom), at }
    const batch = barrier(attempt, (gate) =>
      walletStatements({ op: 'freeze', hold, money }, { gate, at }),
    )
    outcomes.push(batch.outcome(await router.write(account, batch.statements, setUp)))
  }
  if (outcomes.join() !== 'applied,duplicate')
    throw new Error(`Cannot measure the barrier: ${outcomes.join()}`)
}

type Pair = {
  /** Operations a second, and requests of an operation. */
  readonly perSecond: Readonly<Record<'barrier' | 'other', number>>
  readonly requests: Readonly<Record<'barrier' | 'other', number>>
}

/**
 * The barrier beside one other form, in turns whose order changes. Never three at once: an interactive transaction
 * leaves the server work that whoever comes next would wait for.
 */
async function compare(bench: Bench, other: Exclude<Form, 'barrier'>): Promise<Pair> {
  const forms = formsOf(bench)
  const took = { barrier: [] as number[], other: [] as number[] }
  const requests = { barrier: 0, other: 0 }
  for (let round = 0; round < rounds + warmUpRounds; round += 1) {
    const turns =
      round % 2 === 0 ? (['barrier', 'other'] as const) : (['other', 'barrier'] as const)
    for (const turn of turns) {
      const form = forms[turn === 'other' ? other : turn]
      // One for each, as requests have: a signal that all shared would have thousands of listeners.
      const each = rootCall('bench')
      const before = bench.requests()
      const start = performance.now()
      await form(`${turn} ${other} ${round}`, each)
      if (round < warmUpRounds) continue
      took[turn].push(performance.now() - start)
      requests[turn] += bench.requests() - before
    }
  }
  const perSecond = (turn: keyof typeof took) => 1_000 / median(took[turn])
  return {
    perSecond: { barrier: perSecond('barrier'), other: perSecond('other') },
    requests: { barrier: requests.barrier / rounds, other: requests.other / rounds },
  }
}

async function measure(bench: Bench): Promise<Row[]> {
  const bare = await compare(bench, 'bare')
  const interactive = await compare(bench, 'interactive')
  const unit = 'operations/s'
  return [
    atLeast({
      name: 'freeze behind a barrier, beside the bare batch',
      value: bare.perSecond.barrier,
      unit,
      baseline: bare.perSecond.other,
      target: 0.9,
    }),
    atLeast({
      name: 'freeze behind a barrier, beside an interactive one',
      value: interactive.perSecond.barrier,
      unit,
      baseline: interactive.perSecond.other,
      target: 1.5,
    }),
    atLeast({
      name: 'operations a round trip, beside the bare batch',
      value: 1 / bare.requests.barrier,
      unit: '/request',
      baseline: 1 / bare.requests.other,
      target: 1,
    }),
    atLeast({
      name: 'requests of an interactive barrier, beside ours',
      value: interactive.requests.other,
      unit: 'requests',
      baseline: interactive.requests.barrier,
      target: 3,
    }),
  ]
}

/**
 * A wallet's freeze through the official client to the local libSQL server on one machine: in one batch behind a
 * barrier, the same batch without one, and the barrier as an interactive transaction. Without a network, which would
 * widen the distance to the last. Then transfers across shards while everything fails.
 */
export async function benchTransactions(): Promise<Row[]> {
  const bench = await open()
  try {
    await check(bench)
    return [...(await measure(bench)), ...(await benchTransfers())]
  } finally {
    await bench.close()
  }
}
