import { libsqlShard } from '@stoa/adapters/libsql'
import {
  parseTypedId,
  secureRandom,
  seededRandom,
  sleep,
  slotOfId,
  slotOfText,
  systemClock,
} from '@stoa/kernel'
import { devTokens } from '@stoa/local'
import { createMover, type Mover } from '@stoa/resharding'
import { catalogueQuery, readCatalogue, shapeOf, type Topology } from '@stoa/sharding'
import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type Api, apiOf, call, keyed } from './people.ts'
import { everywhere } from './shards.ts'

const handles = ['oracle_ada', 'oracle_bo', 'oracle_cy', 'oracle_dee'] as const
const password = 'correct horse battery'
const operations = 80

/** One of the two systems, as its members see it. Ids differ between the two, so everything goes by its words. */
type Side = {
  readonly system: System
  readonly api: Api
  /** By handle. */
  readonly ids: Map<string, string>
  readonly tokens: Map<string, string>
  /** By their text. */
  readonly posts: Map<string, string>
  /** Where each walk through pages goes on. */
  readonly cursors: Map<string, string | undefined>
}

async function openSide(shardsPerKeyspace: number): Promise<Side> {
  const system = await startSystem({ shape: 'one', shardsPerKeyspace })
  const side: Side = {
    system,
    api: apiOf(system.url),
    ids: new Map(),
    tokens: new Map(),
    posts: new Map(),
    cursors: new Map(),
  }
  for (const handle of handles) {
    const body = { handle, email: `${handle}@example.com`, password, name: handle }
    const headers = { 'idempotency-key': `register-${handle}` }
    const { id } = await side.api.users.register({ headers, body }, call())
    const { token } = await side.api.users.logIn({ body: { login: handle, password } }, call())
    side.ids.set(handle, id)
    side.tokens.set(handle, token)
  }
  return side
}

let many: Side
let one: Side

beforeAll(async () => {
  many = await openSide(3)
  one = await openSide(1)
})

afterAll(async () => {
  await many.system.close()
  await one.system.close()
})

function known(map: ReadonlyMap<string, string>, name: string): string {
  const found = map.get(name)
  if (found === undefined) throw new Error(`nobody has heard of ${name}`)
  return found
}

/** The same page of the same walk, in words, and whether there is another. */
async function turnPage<T>(
  { cursors }: Side,
  { walk, limit }: { readonly walk: string; readonly limit: number },
  ask: (query: {
    limit: number
    cursor?: string
  }) => Promise<{ items: readonly T[]; next?: string | undefined }>,
): Promise<{ readonly items: readonly T[]; readonly isLast: boolean }> {
  const cursor = cursors.get(walk)
  const { items, next } = await ask({ limit, ...(cursor === undefined ? {} : { cursor }) })
  cursors.set(walk, next)
  return { items, isLast: next === undefined }
}

/** One thing that a member does, the same on both sides. */
type Operation = { readonly name: string; readonly run: (side: Side) => Promise<unknown> }

/** What to do next, by chance: the same again from the same seed. */
function operationsOf(seed: number): (number: number) => Operation {
  const random = seededRandom(seed)
  const pick = <T>(items: readonly [T, ...T[]]): T =>
    items[random.uint32() % items.length] ?? items[0]
  const texts: string[] = []
  return (number) => {
    const [member, other] = [pick(handles), pick(handles)]
    const limit = 1 + (random.uint32() % 4)
    const text = `${member} says ${number}`
    const about = texts[random.uint32() % texts.length]
    const write: Operation = {
      name: 'write',
      run: async ({ api, tokens, posts }) => {
        const headers = keyed(known(tokens, member), `write-${number}`)
        const written = await api.social.createPost({ headers, body: { text } }, call())
        posts.set(text, written.id)
        return written.text
      },
    }
    if (about === undefined || random.uint32() % 5 === 0) {
      texts.push(text)
      return write
    }
    return pick<Operation>([
      {
        name: 'reply',
        run: async ({ api, tokens, posts }) => {
          const headers = keyed(known(tokens, member), `reply-${number}`)
          const params = { post: known(posts, about) }
          return (await api.social.createReply({ headers, params, body: { text } }, call())).text
        },
      },
      {
        name: 'follow',
        run: ({ api, tokens, ids }) => {
          const headers = keyed(known(tokens, member))
          const params = { member: known(ids, other) }
          if (member === other) return Promise.resolve()
          return api.social[limit > 1 ? 'follow' : 'unfollow']({ headers, params }, call())
        },
      },
      {
        name: 'find',
        run: async ({ api }) =>
          (await api.users.findMember({ params: { handle: other } }, call())).name,
      },
      {
        name: 'read',
        run: async ({ api, posts }) =>
          (await api.social.getPost({ params: { post: known(posts, about) } }, call())).text,
      },
      {
        name: 'posts',
        run: (side) => {
          const params = { member: known(side.ids, other) }
          return turnPage(side, { walk: `posts of ${other}`, limit }, async (query) => {
            const page = await side.api.social.memberPosts({ params, query }, call())
            return { ...page, items: page.items.map((each) => each.text) }
          })
        },
      },
      {
        name: 'replies',
        run: (side) => {
          const params = { post: known(side.posts, about) }
          return turnPage(side, { walk: `replies to ${about}`, limit }, async (query) => {
            const page = await side.api.social.replies({ params, query }, call())
            return { ...page, items: page.items.map((each) => each.text) }
          })
        },
      },
      {
        name: 'following',
        run: (side) => {
          const names = new Map([...side.ids].map(([handle, id]) => [id, handle]))
          const params = { member: known(side.ids, other) }
          return turnPage(side, { walk: `following of ${other}`, limit }, async (query) => {
            const page = await side.api.social.following({ params, query }, call())
            return { ...page, items: page.items.map((id) => names.get(id)) }
          })
        },
      },
    ])
  }
}

function open({ name, url }: { readonly name: string; readonly url: string }) {
  return libsqlShard({ name, url, token: devTokens.libsql })
}

/** Moves what the members have written, and where their handles lead, from database to database until `isOver`. */
async function moveAround({ system, ids }: Side, isOver: () => boolean): Promise<number> {
  const meta = open({ name: 'meta', url: system.env['META_URL'] ?? '' })
  const mover: Mover = createMover({
    meta,
    open,
    clock: systemClock,
    random: secureRandom,
    sleep: (ms, { signal }) => sleep(ms, systemClock, signal),
  })
  const places = handles.flatMap((handle) => {
    const home = slotOfId(parseTypedId('usr', known(ids, handle)))
    const lookup = slotOfText(`handle|${handle}`)
    return [
      { keyspace: 'social', slot: home },
      { keyspace: 'users', slot: home },
      { keyspace: 'users', slot: lookup },
    ]
  })
  let moved = 0
  for (let number = 0; !isOver(); number += 1) {
    const place = places[number % places.length]
    if (place === undefined) break
    const { keyspace, slot } = place
    const asked = { sql: 'SELECT document FROM topology', args: [] }
    const [document] = await meta.batch([asked], 'read', call())
    const keyspaces = JSON.parse(String(document?.rows[0]?.[0])) as Topology['keyspaces']
    const { shards = [], slots = [] } = keyspaces[keyspace] ?? {}
    const range = slots.find(({ from, to }) => from <= slot && slot <= to)
    const others = shards.filter(({ name }) => name !== range?.shard)
    const target = others[number % others.length]
    if (range === undefined || target === undefined) throw new Error(`nobody can have ${slot}`)
    const [tables] = await open(target).batch([catalogueQuery], 'read', call())
    const shapes = readCatalogue(tables?.rows ?? []).flatMap((table) => shapeOf(table) ?? [])
    const id = `oracle-${number}`
    // With its neighbours, as a split or a merge would move it.
    const most = Math.min(range.to, slot + (number % 3) * 20)
    const scope = {
      kind: 'slots',
      slots: Array.from({ length: most - slot + 1 }, (_, index) => slot + index),
    } as const
    await mover.start(
      { id, keyspace, scope, source: range.shard, target: target.name, shapes },
      call(),
    )
    expect(await mover.run(id, call())).toMatchObject({ phase: 'done' })
    moved += 1
  }
  return moved
}

const triesMax = 5

/** What is done with a key may be asked for again. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries >= triesMax) throw error
    }
  }
}

describe('members of a system over three databases a keyspace, among which their rows move', () => {
  test(
    'get the same answers and the same pages as those of a system with one',
    { timeout: 240_000 },
    async () => {
      let isOver = false
      const moving = moveAround(many, () => isOver)
      const next = operationsOf(2_026)
      const done = new Set<string>()
      try {
        for (let number = 0; number < operations; number += 1) {
          const { name, run } = next(number)
          const [found, expected] = [await persist(() => run(many)), await persist(() => run(one))]
          expect({ number, name, answer: found }).toEqual({ number, name, answer: expected })
          done.add(name)
        }
      } finally {
        isOver = true
        await moving
      }

      expect(await moving).toBeGreaterThan(2)
      expect(done.size).toBe(8)
      for (const table of ['post', 'reply', 'follow']) {
        const query = { sql: `SELECT count(*) AS n FROM ${table}` }
        const [rows, single] = await Promise.all(
          [many, one].map(({ system }) => everywhere(system, 'social', query)),
        )
        const count = (counts: typeof rows) => counts?.reduce((sum, { n }) => sum + Number(n), 0)
        expect({ table, rows: count(rows) }).toEqual({ table, rows: count(single) })
      }
    },
  )
})
