import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { Client } from '@libsql/client/web'
import { libsqlShard } from '@stoa/adapters/shard'
import {
  type Call,
  rootCall,
  seededRandom,
  slotText,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

import { openCatalog } from './resharding-keyspace.ts'
import { atLeast, type Row } from './row.ts'

/** Rounds; in each every form reads the same rows, one after the other. */
const roundsOfAll = 400
const warmUpRounds = 100
/** Reads of a form in a row: nobody asks by turns in four ways, each with its code out of the processor's caches. */
const readsOfForm = 16
const products = 1_024

const token = devTokens.libsql

function id(n: number): string {
  return `${slotText((n * 16) % 16_384)}00${String(n).padStart(15, '0')}`
}

/** The local server answers a SELECT that it proves short in its own way, as no other server does. */
function shortcut(n: number): Statement {
  return {
    sql: 'SELECT id, sku, title, description, category, price_minor, currency, seller, version, created_at FROM product WHERE id = ?',
    args: [id(n)],
  }
}

/** The same rows by the same plan, without that: the column is never NULL, and the server does not look that far. */
function byId(n: number): Statement {
  const { sql, args } = shortcut(n)
  return { sql: `${sql} AND id IS NOT NULL`, args }
}

type Form = 'routed' | 'bare' | 'adapter' | 'twice' | 'shortcut'
type Read = (n: number, call: Call) => Promise<unknown>

type Clients = { readonly router: Router; readonly client: Client; readonly shard: SqlShard }

/** What each form answers as the id, so that it is seen to have read the row. */
function formsOf({ router, client, shard }: Clients): Readonly<Record<Form, Read>> {
  const bare = async ({ sql, args }: Statement) =>
    (await client.execute({ sql, args: [...args] })).rows[0]?.['id']
  return {
    routed: async (n, call) => (await router.read(id(n), shortcut(n), call)).rows[0]?.[0],
    bare: (n) => bare(byId(n)),
    shortcut: (n) => bare(shortcut(n)),
    adapter: async (n, call) => (await shard.batch([byId(n)], 'read', call))[0]?.rows[0]?.[0],
    twice: async (n, call) => {
      const key = id(n)
      const owner = {
        sql: 'SELECT state, epoch, peer FROM _slot_owner WHERE lo >= ? AND lo <= ? AND ? < hi ORDER BY lo DESC LIMIT 1',
        args: [key.slice(0, 3), key, key],
      }
      const [state, found] = await shard.batch([owner, byId(n)], 'read', call)
      return state?.rows[0]?.[0] === 'serving' ? found?.rows[0]?.[0] : undefined
    },
  }
}

async function fill(client: Client): Promise<void> {
  await client.batch(
    Array.from({ length: products }, (_, n) => ({
      sql: `INSERT INTO product (id, sku, title, description, category, price_minor, currency, version, created_at)
VALUES (?, ?, 'A thing of many', ?, 'cat-1', 100, 'EUR', 1, 1700000000000)`,
      args: [id(n), `sku-${n}`, 'many words '.repeat(16)],
    })),
    'write',
  )
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

type Samples = readonly Readonly<Record<Form, number>>[]

/** How long a read of `form` takes in one round, in milliseconds. */
async function timeOf(form: Form, read: Read, round: number): Promise<number> {
  // A call for each, as requests have: there before anything is read, whoever reads it.
  const calls = Array.from({ length: readsOfForm }, () => rootCall('bench'))
  const started = performance.now()
  for (const [nth, call] of calls.entries()) {
    const n = ((round * readsOfForm + nth) * 389) % products
    const found = await read(n, call)
    if (found !== id(n)) throw new Error(`Cannot measure "${form}": it read ${String(found)}`)
  }
  return (performance.now() - started) / readsOfForm
}

/** How long a read of each form took in each round, in milliseconds. Their order is drawn: what was before it costs a form too. */
async function samplesOf(
  forms: Readonly<Record<Form, Read>>,
  { names, rounds }: { readonly names: readonly Form[]; readonly rounds: number },
): Promise<Samples> {
  const random = seededRandom(1)
  const samples: Record<Form, number>[] = []
  for (let round = 0; round < rounds + warmUpRounds; round += 1) {
    const took = { routed: 0, bare: 0, adapter: 0, twice: 0, shortcut: 0 }
    const drawn = names.map((form) => ({ form, at: random.uint32() }))
    for (const { form } of drawn.toSorted((one, other) => one.at - other.at)) {
      took[form] = await timeOf(form, forms[form], round)
    }
    samples.push(took)
  }
  return samples.slice(warmUpRounds)
}

/** Each round gives one ratio: neighbours share what else the machine does. */
function compare(
  samples: Samples,
  { form, beside }: { readonly form: Form; readonly beside: Form },
): Pick<Row, 'value' | 'unit' | 'baseline'> {
  const baseline = 1_000 / median(samples.map((each) => each[beside]))
  const ratio = median(samples.map((each) => each[beside] / each[form]))
  return { value: baseline * ratio, unit: 'reads/s', baseline }
}

function rowsOf(samples: Samples, shortSamples: Samples): Row[] {
  return [
    atLeast({
      name: 'routed read by id, beside the bare client',
      ...compare(samples, { form: 'routed', beside: 'bare' }),
      target: 0.952,
    }),
    atLeast({
      name: 'routed read by id, beside the adapter without the check',
      ...compare(samples, { form: 'routed', beside: 'adapter' }),
    }),
    atLeast({
      name: 'check as a second statement, beside the bare client',
      ...compare(samples, { form: 'twice', beside: 'bare' }),
    }),
    atLeast({
      name: "routed read by id, beside the local server's own shortcut",
      ...compare(shortSamples, { form: 'routed', beside: 'shortcut' }),
    }),
  ]
}

/**
 * A read by id through the router, which asks the fence in the same statement, beside the same SELECT through the bare
 * client to the same fenced database, and beside the check as a statement of its own: in turn, each round compared with
 * itself. Without a network, which would make all of them alike.
 */
export async function benchRouter(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine: 'in-process' })
  try {
    const { keyspace, clients } = await openCatalog(`http://127.0.0.1:${servers.ports.libsql}`, {
      names: ['bench'],
      slots: evenSlots(['bench']),
    })
    const [client] = clients
    const [info] = keyspace.shards
    if (client === undefined || info === undefined) throw new Error('Cannot measure: no database')
    const shard = libsqlShard({ name: info.name, url: info.url, token })
    const topology = cacheTopology(async () => ({ version: 1, keyspaces: { catalog: keyspace } }))
    const router = createRouter({
      slots: topology.slots('catalog'),
      open: () => shard,
      sleep: async () => undefined,
    })
    await fill(client)
    const forms = formsOf({ router, client, shard })
    const names = ['routed', 'bare', 'adapter', 'twice'] as const
    const samples = await samplesOf(forms, { names, rounds: roundsOfAll })
    const short = ['routed', 'shortcut'] as const
    const shortSamples = await samplesOf(forms, { names: short, rounds: roundsOfAll / 4 })
    client.close()
    return rowsOf(samples, shortSamples)
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
