import {
  AmbiguousPublishError,
  AmbiguousWriteError,
  type Call,
  createIds,
  isFault,
  manualClock,
  type QueueMessage,
  type QueuePort,
  rootCall,
  seededRandom,
  ShardUnavailableError,
  slotRange,
  slotText,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

type ScatterQuery = Parameters<Router['scatter']>[0]

import {
  createCommitter,
  createInbox,
  createMarks,
  createOrderedInbox,
  fillGaps,
  type GivenUp,
  type GivenUpPort,
  listDeadLetters,
  mirrorDeadLetters,
  newEvent,
  pruneShard,
  readEvents,
  replayDeadLetter,
  type StoaEvent,
  sweepOutbox,
} from '../src/index.ts'
import { type Database, openDatabase, type Rewrite } from './databases.ts'

export const publicUrl = 'https://stoa.example'
const call: Call = rootCall('world')

/** A process dies; nothing that it does afterwards reaches anybody. */
export class Death extends Error {
  override readonly name = 'Death'
}

/** What may go wrong with one request of a process, decided when it is made. */
export type Fate = 'kept' | 'reply' | 'request' | 'refused' | 'dies' | { readonly diesAt: number }

export type Life = {
  /** The fate of the next request; `statements` is 0 for the queue. */
  readonly fate: (statements: number) => Fate
  /** Waits for the turn of a request. */
  readonly turn?: () => Promise<void>
}

export const peace: Life = { fate: () => 'kept' }

type Sent = { readonly id: string; readonly message: QueueMessage; tries: number }

/** How the code under test may be changed, as a mutant would. */
export type Mutation = {
  readonly rewrite?: Rewrite
  readonly queue?: (inner: QueuePort) => QueuePort
  /** Applies the events of the consumer that follows an order as one that does not. */
  readonly isUnordered?: boolean
  /** Acknowledges whatever became of the delivery. */
  readonly acksFirst?: boolean
  /** Takes the queue's dead letters without keeping them. */
  readonly forgets?: boolean
}

const slots = [5, 900, 9_000, 15_000]
const topology = {
  version: 1,
  keyspaces: {
    things: {
      shards: ['a', 'b'].map((name) => ({
        name,
        url: `memory:${name}`,
        incarnation: `inc-${name}`,
      })),
      slots: evenSlots(['a', 'b']),
    },
  },
}

const death: Statement = { sql: "SELECT json_extract('{}', 'the process died')", args: [] }

/** Two databases, a queue that delivers as it likes, and as many processes as a test begins. */
export class World {
  readonly clock = manualClock(1_790_000_000_000)
  readonly ids = createIds({ clock: this.clock, random: seededRandom(7) })
  readonly databases: Database[] = []
  readonly sent: Sent[] = []
  readonly dead: (Sent & { readonly answer: string })[] = []
  readonly bugs: unknown[] = []
  readonly mutation: Mutation
  /** Events that no consumer can apply, until somebody mends it. */
  poison: (event: StoaEvent) => boolean = () => false
  #count = 0

  constructor(mutation: Mutation) {
    this.mutation = mutation
  }

  static async open(mutation: Mutation = {}): Promise<World> {
    const world = new World(mutation)
    for (const name of ['a', 'b']) {
      const database = await openDatabase(name, mutation.rewrite)
      const own = slots.filter((each) => each < 8_192 === (name === 'a')).map(slotRange)
      const sql = `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`
      await database.run(sql, JSON.stringify(own))
      await database.run('CREATE TABLE business (id TEXT PRIMARY KEY, version INTEGER NOT NULL)')
      await database.run(
        'CREATE TABLE effect (n INTEGER PRIMARY KEY, consumer TEXT, okey TEXT, seq INTEGER, fits INTEGER NOT NULL CHECK (fits))',
      )
      world.databases.push(database)
    }
    return world
  }

  close(): void {
    for (const database of this.databases) database.close()
  }

  aggregate(index: number): string {
    return this.ids.rootAt(`${slotText(slots[index % slots.length] ?? 5)}00`)
  }

  /** The queue as one process sees it. */
  #queue(guard: Guard): QueuePort {
    const queue: QueuePort = {
      publish: (messages) =>
        guard(0, async (isRefused = false) =>
          messages.map((message) => {
            if (isRefused) return { error: 'full' }
            this.#count += 1
            this.sent.push({ id: `m${this.#count}`, message, tries: 0 })
            return { messageId: `m${this.#count}`, deduplicated: false }
          }),
        ),
    }
    return this.mutation.queue?.(queue) ?? queue
  }

  givenUp(guard: Guard): GivenUpPort {
    const readOne = ({ id, message, answer }: World['dead'][number]): GivenUp => ({
      id,
      url: message.url,
      body: message.body,
      status: 500,
      answer,
    })
    return {
      list: () =>
        guard(0, async () => ({
          messages: this.dead.map(readOne).slice(0, 50),
          cursor: undefined,
        })),
      remove: (ids) =>
        guard(0, async () => {
          const kept = this.dead.filter(({ id }) => !ids.includes(id))
          this.dead.splice(0, this.dead.length, ...kept)
        }),
    }
  }

  /** A new process, in which everything happens under `life`. */
  begin(life: Life = peace): Process {
    const guard = guardOf(life)
    const shards = this.databases.map((database): SqlShard => ({
      name: database.name,
      batch: (statements, mode, each) =>
        guard(statements.length, () => database.batch(statements, mode, each), {
          name: database.name,
          isWrite: mode === 'write',
          until: (count) => database.batch([...statements.slice(0, count), death], mode, each),
        }),
    }))
    return processOf(this, { shards, queue: this.#queue(guard), givenUp: this.givenUp(guard) })
  }

  failed(error: unknown): void {
    if (!isFault(error) && !(error instanceof Death)) this.bugs.push(error)
  }

  /** What both consumers have done, as their rows say. */
  async effects(): Promise<readonly { consumer: string; okey: string; seq: number }[]> {
    const rows = await Promise.all(
      this.databases.map((database) =>
        database.run('SELECT consumer, okey, seq FROM effect ORDER BY n'),
      ),
    )
    return rows.flat().map(([consumer, okey, seq]) => ({
      consumer: String(consumer),
      okey: String(okey),
      seq: Number(seq),
    }))
  }

  async count(from: string): Promise<number> {
    const rows = await Promise.all(
      this.databases.map((database) => database.run(`SELECT count(*) FROM ${from}`)),
    )
    return rows.reduce((sum, [row]) => sum + Number(row?.[0]), 0)
  }
}

type Request = {
  readonly name: string
  readonly isWrite: boolean
  readonly until: (count: number) => Promise<unknown>
}
type Guard = <T>(
  statements: number,
  work: (isRefused?: boolean) => Promise<T>,
  request?: Request,
) => Promise<T>

function lost(request: Request | undefined): Error {
  if (request === undefined) return new AmbiguousPublishError()
  return request.isWrite
    ? new AmbiguousWriteError(request.name)
    : new ShardUnavailableError(request.name, 'network')
}

function guardOf({ fate: fateOf, turn }: Life): Guard {
  let isDead = false
  const die = (): never => {
    isDead = true
    throw new Death()
  }
  return async (statements, work, request) => {
    if (isDead) throw new Death()
    await turn?.()
    if (isDead) throw new Death()
    const fate = fateOf(statements)
    if (typeof fate === 'object') {
      await request?.until(fate.diesAt).catch(() => undefined)
      return die()
    }
    if (fate === 'request') throw lost(request)
    if (fate === 'refused') {
      if (request === undefined) return work(true)
      throw new ShardUnavailableError(request.name, 'network')
    }
    const answer = await work()
    if (fate === 'dies') return die()
    if (fate === 'reply') throw lost(request)
    return answer
  }
}

export type Process = ReturnType<typeof processOf>

function processOf(
  world: World,
  {
    shards,
    queue,
    givenUp,
  }: {
    readonly shards: readonly SqlShard[]
    readonly queue: QueuePort
    readonly givenUp: GivenUpPort
  },
) {
  const { clock, ids } = world
  const marks = createMarks(clock)
  const router = createRouter({
    slots: cacheTopology(async () => topology).slots('things'),
    open: ({ name }) => {
      const found = shards.find((shard) => shard.name === name)
      if (found === undefined) throw new Error(`There is no ${name}`)
      return found
    },
    riders: (shard) => marks.take(shard),
    sleep: async () => undefined,
  })
  const deferred: Promise<unknown>[] = []
  const report = (error: unknown) => world.failed(error)
  const relay = { queue, publicUrl, clock }
  const defer = (work: Promise<unknown>) => deferred.push(work)
  const committer = createCommitter({ ...relay, router, marks, defer, report })
  const effectOf = (consumer: string) => (event: StoaEvent) => ({
    statements: [
      {
        sql: 'INSERT INTO effect (consumer, okey, seq, fits) VALUES (?, ?, ?, ?)',
        args: [consumer, event.key, event.seq, world.poison(event) ? 0 : 1],
      },
    ],
    events: [],
  })
  const plain = (consumer: string) => {
    const inbox = createInbox({ consumer, router, committer, clock })
    return (events: readonly StoaEvent[]) =>
      inbox.apply(
        events.map((event) => ({ ...effectOf(consumer)(event), event, key: event.key })),
        call,
      )
  }
  const ordered = createOrderedInbox({
    consumer: 'social',
    router,
    committer,
    clock,
    effectOf: effectOf('social'),
  })
  const consume: Readonly<Record<string, (events: readonly StoaEvent[]) => Promise<void>>> = {
    social:
      world.mutation.isUnordered === true
        ? plain('social')
        : (events) => ordered.apply(events, call),
    stats: plain('stats'),
  }
  const keyspace = {
    read: router.read.bind(router),
    write: router.write.bind(router),
    /** These databases own four slots, and would not agree with the map that they own all. */
    scatter: async ({ select }: ScatterQuery) => {
      const answers = []
      for (const shard of shards)
        answers.push(...(await shard.batch([select(() => 'TRUE')], 'read', call)))
      const [first] = answers
      if (first === undefined) throw new Error('There is no database')
      return { rows: { ...first, rows: answers.flatMap(({ rows }) => rows) }, missing: [] }
    },
  }
  const letters = { ...relay, keyspace: () => keyspace }
  const settle = async (): Promise<void> => {
    while (deferred.length > 0) await deferred.shift()
  }
  return {
    settle,
    /** Writes `count` events of one aggregate, each with its own row, in one commit. */
    async commit(key: string, count = 1): Promise<readonly StoaEvent[]> {
      const query = { sql: 'SELECT version FROM business WHERE id = ?', args: [key] }
      const { rows } = await router.read(key, query, call)
      const version = Number(rows[0]?.[0] ?? 0)
      const events = Array.from({ length: count }, (_, index) =>
        newEvent(ids, 'post.created', {
          key,
          seq: version + 1 + index,
          at: clock.now(),
          cause: 'w',
          data: { post: key, author: key, text: 'x', createdAt: 1 },
        }),
      )
      const statement = {
        sql: 'INSERT INTO business (id, version) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version',
        args: [key, version + count],
      }
      await committer.commit({ keys: [key], statements: [statement], events }, call)
      await settle()
      return events
    },
    sweep: async (worker = `w${ids.root('w')}`) => {
      for (const shard of shards) await sweepOutbox(shard, { ...relay, worker }, call)
    },
    fill: async () => {
      for (const shard of shards) {
        const findRows = async (key: string, query: Statement) =>
          (await router.read(key, query, call)).rows
        await fillGaps(shard, { ...relay, findRows }, call)
      }
    },
    prune: async () => {
      for (const shard of shards) await pruneShard(shard, clock.now(), call)
    },
    mirror: async () => {
      if (world.mutation.forgets === true) world.dead.length = 0
      await mirrorDeadLetters(givenUp, letters, call)
    },
    replay: async () => {
      for (const consumer of ['social', 'stats'] as const) {
        const found = await listDeadLetters(consumer, 50, { deps: letters, call })
        for (const letter of found) await replayDeadLetter(letter, letters, call)
      }
    },
    /** Delivers a message as the queue would; three failures and it is given up. */
    async deliver(sent: Sent): Promise<void> {
      const consumer = sent.message.url.slice(`${publicUrl}/_inbox/`.length)
      const body = JSON.parse(sent.message.body) as { readonly events: readonly unknown[] }
      try {
        await consume[consumer]?.(readEvents(body.events).events)
        await settle()
      } catch (error) {
        // A row that breaks a rule is what poison is.
        if (!(isFault(error) && error.code === 'sql_constraint')) world.failed(error)
        if (world.mutation.acksFirst === true) return
        sent.tries += 1
        const isLast = sent.tries > (sent.message.retries ?? 2)
        if (isLast) world.dead.push({ ...sent, answer: String(error) })
        else world.sent.push(sent)
      }
    },
  }
}

/** Lets everything come to rest, by a process that nothing happens to. @throws what is wrong */
export async function settleWorld(world: World): Promise<void> {
  const process = world.begin()
  world.poison = () => false
  for (let round = 0; round < 30; round += 1) {
    world.clock.advance(20 * 60_000)
    await process.sweep()
    while (world.sent.length > 0) {
      const next = world.sent.shift()
      if (next !== undefined) await process.deliver(next)
    }
    await process.fill()
    await process.mirror()
    if ((await world.count("parked WHERE consumer GLOB 'dead/*'")) > 0) await process.replay()
    const left = (await world.count("outbox WHERE state <> 'sent'")) + (await world.count('parked'))
    if (left + world.sent.length + world.dead.length === 0) break
  }
  await checkWorld(world)
}

/** Each event that is in an outbox had its effect once at each consumer, in order where that was asked for. */
export async function checkWorld(world: World): Promise<void> {
  const [bug] = world.bugs
  if (bug !== undefined) throw new Error('a bug flew', { cause: bug })
  const effects = await world.effects()
  const written = await Promise.all(
    world.databases.map((each) => each.run('SELECT okey, max(seq) FROM outbox GROUP BY okey')),
  )
  for (const [okey, last] of written.flat()) {
    const expected = Array.from({ length: Number(last) }, (_, index) => index + 1)
    const doneBy = (consumer: string) =>
      effects
        .filter((each) => each.consumer === consumer && each.okey === okey)
        .map(({ seq }) => seq)
    const inAnyOrder = doneBy('stats').toSorted((one, other) => one - other)
    for (const [consumer, seqs] of [
      ['social', doneBy('social')],
      ['stats', inAnyOrder],
    ] as const)
      if (seqs.join() !== expected.join())
        throw new Error(`${consumer} did ${seqs.join()} of ${expected.length} for ${String(okey)}`)
  }
  const versions = await Promise.all(
    world.databases.map((database) =>
      database.run(
        'SELECT count(*) FROM business WHERE version <> (SELECT max(seq) FROM outbox WHERE okey = business.id)',
      ),
    ),
  )
  if (versions.some(([row]) => row?.[0] !== 0)) throw new Error('a row and its event do not agree')
  for (const [what, from] of [
    ['is left in an outbox', "outbox WHERE state <> 'sent'"],
    ['stays parked', 'parked'],
  ] as const) {
    const left = await world.count(from)
    if (left > 0) throw new Error(`${left} ${what}`)
  }
}
