import { clientOf } from '@stoa/contracts'
import { stats } from '@stoa/contracts/stats'
import { rootCall, type SqlValue, typedId } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { afterAll, describe, expect, inject, test, vi } from 'vitest'

import { recountStatements } from '../src/store/recount.ts'
import {
  countsOf,
  deliver,
  drain,
  hot,
  postCreated,
  report,
  spoil,
  subject,
  typed,
} from './harness.ts'

const env = inject('stoaEnv')
const call = rootCall('test')
const router = routerOf('stats', env)
const client = clientOf(stats, (request) => exports.default.fetch(request))

async function set(author: string, n: number): Promise<void> {
  const sql = `UPDATE counter SET n = ? WHERE subject = ? AND metric = 'posts'`
  await router.write(author, [{ sql, args: [n, author] }], call)
}

type Counted = { readonly from: number | null; readonly to: number; readonly events?: StoaEvent[] }

async function recount(author: string, { from, to, events = [] }: Counted): Promise<boolean> {
  const body = {
    member: typedId('usr', author),
    from,
    to,
    events: events.map(({ id }) => typedId('evt', id)),
  }
  return (await client.recountPosts({ body }, call)).isChanged
}

/** An author three of whose posts were counted. */
async function known() {
  const author = subject()
  const events = [postCreated(author), postCreated(author), postCreated(author)]
  await deliver(events)
  return { author, events }
}

describe('a recount', () => {
  test('sets a counter that is what it was, once', async () => {
    const { author, events } = await known()
    await set(author, 9)

    const work = { from: 9, to: 3, events }
    expect([await recount(author, work), await recount(author, work)]).toEqual([true, false])
    expect(await countsOf('member', author)).toEqual({ posts: 3 })
  })

  test('makes one that was never there', async () => {
    const author = subject()

    expect(await recount(author, { from: null, to: 2 })).toBe(true)
    expect(await recount(author, { from: null, to: 5 })).toBe(false)
    expect(await countsOf('member', author)).toEqual({ posts: 2 })
  })

  test('leaves one that has changed since it was read', async () => {
    const { author } = await known()
    await deliver([postCreated(author)])

    expect(await recount(author, { from: 3, to: 7 })).toBe(false)
    expect(await countsOf('member', author)).toEqual({ posts: 4 })
  })

  test('counts no event again that comes late, and every one that comes anew', async () => {
    const { author } = await known()
    const late = [postCreated(author), postCreated(author)]

    expect(await recount(author, { from: 3, to: 5, events: late })).toBe(true)
    await deliver([...late, postCreated(author)])
    await deliver(late)

    expect(await countsOf('member', author)).toEqual({ posts: 6 })
  })

  test('ends exact among events that come at the same time', async () => {
    const { author } = await known()
    const late = Array.from({ length: 4 }, () => postCreated(author))
    // Until it holds, from what is there, as the reconciler asks.
    const repaired = vi.waitFor(
      async () => {
        const counts = (await countsOf('member', author)) as { readonly posts: number }
        if (counts.posts === 7) return
        const isDone = await recount(author, { from: counts.posts, to: 7, events: late })
        expect(isDone).toBe(true)
      },
      { timeout: 10_000, interval: 5 },
    )

    await Promise.all([repaired, ...late.map((event) => deliver([event]))])

    expect(await countsOf('member', author)).toEqual({ posts: 7 })
  })

  test('changes nothing more when its reply is lost', async () => {
    const { author } = await known()
    const late = [postCreated(author)]
    await set(author, 1)
    await spoil({ action: 'drop-reply', match: { contains: 'UPDATE counter SET' } })

    const work = { from: 1, to: 4, events: late }
    await expect(recount(author, work)).rejects.toMatchObject({ code: 'ambiguous_write' })

    expect(await recount(author, work)).toBe(false)
    await deliver(late)
    expect(await countsOf('member', author)).toEqual({ posts: 4 })
  })
})

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

describe('a mutant of it that', () => {
  async function live([from, to]: readonly [string, string]) {
    let lived = 0
    const { author } = await known()
    const late = postCreated(author)
    const run = async (read: number) => {
      const work = { member: author, from: read, to: 4, events: [late.id] }
      const statements = recountStatements(work, Date.now()).map(({ sql, args }) => {
        if (sql.includes(from)) lived += 1
        return { sql: sql.replace(from, to), args: [...args] satisfies SqlValue[] }
      })
      await router.write(author, statements, call)
    }
    await run(2)
    const first = await countsOf('member', author)
    await deliver([late])
    return { counts: [first, await countsOf('member', author)], lived }
  }

  test.for<readonly [name: string, from: string, to: string]>([
    ['changes what has changed', 'AND n = ?', 'AND ? IS NOT NULL'],
    ['knows events that it did not count', 'WHERE changes() = 1', 'WHERE true'],
  ])('%s is noticed', async ([name, from, to]) => {
    const right = await live(['\0', ''])

    const mutant = await live([from, to])

    expect(mutant.lived).toBeGreaterThan(0)
    expect(right.counts).toEqual([{ posts: 3 }, { posts: 4 }])
    expect(mutant.counts).not.toEqual(right.counts)
    caught.push(name)
  })
})

describe('a refill', () => {
  /** A product that was viewed five times, and what is shown of it. */
  async function viewed() {
    const id = subject()
    await report({ kind: 'product', subject: typed('product', id), by: 5 })
    await vi.waitFor(
      async () => {
        await drain()
        expect(await countsOf('product', id)).toEqual({ views: 5 })
      },
      { timeout: 20_000, interval: 200 },
    )
    return id
  }

  const keyOf = (id: string) => `product:${id}`
  const shown = async (id: string) => hot.run(['GET', keyOf(id)], call, { idempotent: true })
  const show = async (id: string, text: string) => {
    await hot.run(['SET', keyOf(id), text], call, { idempotent: true })
  }
  const refill = (id: string, text: string) =>
    client.refillHotView(
      { body: { kind: 'product', subject: typed('product', id), shown: text } },
      call,
    )

  test('shows what the database has again, also where what was shown claims to be newer', async () => {
    const id = await viewed()
    const wrong = '77,0:zzzzz:zzzzzz'
    await show(id, wrong)
    expect(await countsOf('product', id)).toEqual({ views: 77 })

    await refill(id, wrong)
    await refill(id, wrong)

    expect(await countsOf('product', id)).toEqual({ views: 5 })
    await vi.waitFor(async () => expect(await shown(id)).toMatch(/^5,0:/))
  })

  test('leaves what has been shown in the meantime', async () => {
    const id = await viewed()
    const newer = String(await shown(id)).replace(/^5,/, '6,')
    await show(id, newer)

    await refill(id, '4,0:1:1')

    expect(await shown(id)).toBe(newer)
  })

  test('takes one kind’s id for no other’s', async () => {
    const body = { kind: 'post', subject: typed('product', subject()), shown: 'x' } as const

    await expect(client.refillHotView({ body }, call)).rejects.toMatchObject({ code: 'invalid_id' })
  })
})
