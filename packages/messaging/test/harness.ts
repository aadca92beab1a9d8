import {
  AmbiguousPublishError,
  createIds,
  manualClock,
  type Published,
  type QueueMessage,
  type QueuePort,
  seededRandom,
  slotOfId,
  slotText,
  type Statement,
} from '@stoa/kernel'

import {
  createCommitter,
  createInbox,
  createMarks,
  createOnceRunner,
  newEvent,
  type StoaEvent,
} from '../src/index.ts'
import { type Database, type Fleet, openFleet } from './databases.ts'

export const clock = manualClock(1_790_000_000_000)
export const ids = createIds({ clock, random: seededRandom(1) })

export type FakeQueue = QueuePort & {
  readonly messages: QueueMessage[]
  /** How the next publishes go wrong: the reply is lost after or before the effect, or each message is refused. */
  readonly next: ('reply' | 'request' | 'refused')[]
}

function fakeQueue(): FakeQueue {
  const messages: QueueMessage[] = []
  const next: FakeQueue['next'] = []
  return {
    messages,
    next,
    publish: async (given) => {
      const wrong = next.shift()
      if (wrong === 'request') throw new AmbiguousPublishError()
      if (wrong === 'refused') return given.map(() => ({ error: 'no' }))
      messages.push(...given)
      if (wrong === 'reply') throw new AmbiguousPublishError()
      return given.map((_, index): Published => ({ messageId: `m${index}`, deduplicated: false }))
    },
  }
}

export function idsIn(message: QueueMessage | undefined): readonly string[] {
  const { events } = JSON.parse(message?.body ?? '{"events":[]}') as {
    readonly events: readonly StoaEvent[]
  }
  return events.map(({ id }) => id)
}

export type Bench = Fleet & {
  readonly queue: FakeQueue
  readonly committer: ReturnType<typeof createCommitter>
  readonly inbox: ReturnType<typeof createInbox>
  readonly once: ReturnType<typeof createOnceRunner>
  readonly reported: unknown[]
  /** Ends when all that was put off until after the answers has ended. */
  settle(this: void): Promise<void>
}

/** Two databases with one table of business, and everything of the package over them. */
export async function openBench(): Promise<Bench> {
  const marks = createMarks(clock)
  const fleet = await openFleet((shard) => marks.take(shard))
  for (const database of [fleet.a, fleet.b]) {
    await database.run(
      'CREATE TABLE thing (id TEXT PRIMARY KEY, version INTEGER NOT NULL CHECK (version < 100))',
    )
  }
  const queue = fakeQueue()
  const reported: unknown[] = []
  const deferred: Promise<unknown>[] = []
  const { router } = fleet
  const committer = createCommitter({
    router,
    queue,
    clock,
    marks,
    publicUrl: 'https://stoa.example',
    defer: (work) => deferred.push(work),
    report: (error) => reported.push(error),
  })
  return Object.assign(fleet, {
    queue,
    committer,
    inbox: createInbox({ consumer: 'social', router, committer, clock }),
    once: createOnceRunner({ router, committer, clock }),
    reported,
    settle: async () => {
      while (deferred.length > 0) await deferred.shift()
    },
  })
}

/** An id in a slot: below 8,192 it lies in database a. */
export function idIn(slot: number): string {
  return ids.rootAt(`${slotText(slot)}00`)
}

export function registered(member: string, seq = 1): StoaEvent<'member.registered'> {
  const data = { member, handle: 'ada', name: 'Ada' }
  return newEvent(ids, 'member.registered', { key: member, seq, at: clock.now(), cause: 't', data })
}

export function insertThing(id: string): Statement {
  return { sql: 'INSERT INTO thing (id, version) VALUES (?, 1)', args: [id] }
}

export function raise(id: string, by = 1): Statement {
  return { sql: 'UPDATE thing SET version = version + ? WHERE id = ?', args: [by, id] }
}

export function slotOf(id: string): number {
  return slotOfId(id)
}

export async function countIn(database: Database, sql: string): Promise<unknown> {
  const [[count] = []] = await database.run(`SELECT count(*) FROM ${sql}`)
  return count
}

export async function versionOf(database: Database, id: string): Promise<unknown> {
  const [[version] = []] = await database.run('SELECT version FROM thing WHERE id = ?', id)
  return version
}
