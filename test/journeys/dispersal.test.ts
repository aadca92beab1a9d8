import { libsqlShard } from '@stoa/adapters/libsql'
import { parseTypedId, prefixOf, secureRandom, sleep, slotOfId, systemClock } from '@stoa/kernel'
import { devTokens } from '@stoa/local'
import { createMover, type Mover } from '@stoa/resharding'
import { catalogueQuery, readCatalogue, shapeOf, type Topology } from '@stoa/sharding'
import { startSystem, type System } from '@stoa/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  type Api,
  apiOf,
  bearer,
  call,
  keyed,
  newCart,
  newCategory,
  newPerson,
  newProduct,
  payment,
  type Person,
  staff,
} from './people.ts'
import { everywhere } from './shards.ts'

const eventually = { timeout: 60_000, interval: 100 }

let system: System
let api: Api
let mover: Mover

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2 })
  api = apiOf(system.url)
  mover = createMover({
    meta: open({ name: 'meta', url: system.env['META_URL'] ?? '' }),
    open,
    clock: systemClock,
    random: secureRandom,
    sleep: (ms, { signal }) => sleep(ms, systemClock, signal),
  })
})

afterAll(() => system.close())

function open({ name, url }: { readonly name: string; readonly url: string }) {
  return libsqlShard({ name, url, token: devTokens.libsql })
}

/** Moves keys from the database that has the slot of `id` to the other one, while the system runs. */
async function setApart(
  keyspace: string,
  id: string,
  { from: lo, to: hi }: { readonly from: string; readonly to: string },
): Promise<void> {
  const meta = open({ name: 'meta', url: system.env['META_URL'] ?? '' })
  const asked = { sql: 'SELECT document FROM topology', args: [] }
  const [document] = await meta.batch([asked], 'read', call())
  const keyspaces = JSON.parse(String(document?.rows[0]?.[0])) as Topology['keyspaces']
  const slot = slotOfId(id)
  const { shards = [], slots = [] } = keyspaces[keyspace] ?? {}
  const source = slots.find((range) => range.from <= slot && slot <= range.to)?.shard ?? ''
  const [target] = shards.filter(({ name }) => name !== source)
  if (target === undefined) throw new Error(`keyspace ${keyspace} has no other database`)
  const [tables] = await open(target).batch([catalogueQuery], 'read', call())
  const shapes = readCatalogue(tables?.rows ?? []).flatMap((table) => shapeOf(table) ?? [])
  const request = {
    id: `${keyspace}-${lo}`,
    keyspace,
    scope: { kind: 'range', lo, hi },
    source,
    target: target.name,
    shapes,
  } as const
  await mover.start(request, call())
  expect(await mover.run(request.id, call())).toMatchObject({ phase: 'done' })
}

/** How many rows each database has, those of none left out. */
async function countEach(
  keyspace: string,
  sql: string,
  prefix: string,
): Promise<readonly number[]> {
  const rows = await everywhere(system, keyspace, { sql, args: [prefix] })
  return rows.map(({ n }) => Number(n)).filter((n) => n > 0)
}

/** Does `work` on all items, a few at a time. */
async function fewAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const workers = Array.from({ length: 8 }, async () => {
    for (const item of queue) await work(item)
  })
  await Promise.all(workers)
}

describe('a hot post', () => {
  test('has its replies spread over two databases while members reply, and reads them back in order, each once', async () => {
    const author = await newPerson(api, 'author')
    const members = await Promise.all([1, 2, 3].map(() => newPerson(api, 'member')))
    const post = await api.social.createPost(
      { headers: keyed(author.token), body: { text: 'Ask me anything.' } },
      call(),
    )
    const id = parseTypedId('pst', post.id)
    const params = { post: post.id }
    const answered: string[] = []
    const reply = async (number: number): Promise<void> => {
      const member = members[number % members.length] ?? author
      const headers = keyed(member.token, `reply-${number}`)
      const written = await api.social.createReply(
        { headers, params, body: { text: `Reply ${number}.` } },
        call(),
      )
      answered.push(written.id)
    }
    const numbers = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => from + index)
    const listed = async () => {
      const found: { readonly id: string; readonly createdAt: string }[] = []
      let cursor: string | undefined
      do {
        const query = { limit: 50, ...(cursor === undefined ? {} : { cursor }) }
        const page = await api.social.replies({ params, query }, call())
        found.push(...page.items)
        cursor = page.next
      } while (cursor !== undefined)
      return found
    }

    await fewAtOnce(numbers(0, 100), reply)
    const before = await listed()
    const prefix = prefixOf(id)
    const moved = new AbortController()
    const moving = setApart('social', id, { from: `${prefix}G`, to: `${prefix}R` }).finally(() =>
      moved.abort(),
    )
    const readMeanwhile: number[] = []
    const reading = (async () => {
      while (!moved.signal.aborted) readMeanwhile.push((await listed()).length)
    })()
    await fewAtOnce(numbers(100, 200), reply)
    await Promise.all([moving, reading])
    await fewAtOnce(numbers(200, 300), reply)
    // Each once more: in the moved half, too, the first answer is found.
    const first = [...answered]
    await fewAtOnce(numbers(0, 300), reply)

    const after = await listed()
    expect(before).toHaveLength(100)
    expect(readMeanwhile).toEqual(readMeanwhile.toSorted((one, other) => one - other))
    expect(readMeanwhile.length).toBeGreaterThan(0)
    expect(after.map((each) => each.id).toSorted()).toEqual(first.toSorted())
    expect([...new Set(answered)].toSorted()).toEqual(first.toSorted())
    expect(after.slice(0, 100)).toEqual(before)
    const spread = await countEach(
      'social',
      'SELECT count(*) AS n FROM reply WHERE substr(id, 1, 5) = ?',
      prefix,
    )
    expect(spread).toHaveLength(2)
    expect(spread.reduce((sum, n) => sum + n, 0)).toBe(300)
    for (const { id: one } of after.slice(-3)) {
      const found = await api.social.getReply({ params: { post: post.id, reply: one } }, call())
      expect(found.id).toBe(one)
    }
  })
})

describe('a hot product', () => {
  const stock = 30
  let product: string
  let buyers: readonly Person[]

  beforeAll(async () => {
    const seller = await newPerson(api, 'seller')
    const category = await newCategory(api)
    product = (await newProduct(api, seller, { category, stock })).id
    buyers = await Promise.all([1, 2, 3, 4].map(() => newPerson(api, 'buyer')))
  })

  const level = () => api.warehouse.getStock({ params: { product } }, call())

  test('is sold to exactly zero by orders that come at once, while half of its cells move to another database', async () => {
    await expect
      .poll(() => level().catch(() => undefined), eventually)
      .toMatchObject({ onHand: stock })
    const id = parseTypedId('prd', product)
    const prefix = prefixOf(id)
    const { moving } = await api.warehouse.spreadStock(
      { headers: bearer(staff.operator), params: { product }, body: { cells: 17 } },
      call(),
    )
    expect(moving).toBe(28)
    await expect.poll(level, eventually).toMatchObject({ onHand: stock, available: stock })
    const orders = new Map<string, Person>()
    const moved = setApart('warehouse', id, { from: `${prefix}G`, to: `${prefix}R` })
    await fewAtOnce(
      Array.from({ length: stock + 10 }, (_, index) => index),
      async (index) => {
        const buyer = buyers[index % buyers.length]
        if (buyer === undefined) return
        const cart = await newCart(api, buyer, [{ product, quantity: 1 }])
        const placed = await api.orders.placeOrder(
          { headers: keyed(buyer.token), body: { cart, payment } },
          call(),
        )
        orders.set(placed.id, buyer)
      },
    )

    await moved
    const states = async () => {
      const read = await Promise.all(
        [...orders].map(([order, { token }]) =>
          api.orders.getOrder({ headers: bearer(token), params: { order } }, call()),
        ),
      )
      return Map.groupBy(read, ({ state }) => state)
    }
    await expect.poll(async () => (await states()).get('pending')?.length ?? 0, eventually).toBe(0)
    const ends = await states()
    expect(ends.get('confirmed')).toHaveLength(stock)
    expect(ends.get('rejected')).toHaveLength(10)
    expect(await level()).toMatchObject({ onHand: stock, reserved: stock, available: 0 })
    const sold = 'SELECT coalesce(sum(reserved), 0) AS n FROM stock WHERE substr(product, 1, 5) = ?'
    const each = await countEach('warehouse', sold, prefix)
    expect(each).toHaveLength(2)
    expect(each.reduce((sum, n) => sum + n, 0)).toBe(stock)
  })
})
