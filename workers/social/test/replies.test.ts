import { prefixOf, slotOfId } from '@stoa/kernel'
import { setApart } from '@stoa/testing/apart'
import { describe, expect, inject, test } from 'vitest'

import {
  type Answer,
  ask,
  eventsAbout,
  listOf,
  members,
  roundTripsOf,
  rowsOf,
  rowsOfEach,
  spoil,
  stranger,
  usr,
  write,
} from './harness.ts'

async function newPost(): Promise<{ readonly author: string; readonly path: string }> {
  const [author = ''] = await members(1)
  const { body } = await write(author, 'What do you think?')
  return { author, path: `/v1/posts/${String(body['id'])}/replies` }
}

function reply(path: string, text: string, key: string = crypto.randomUUID()): Promise<Answer> {
  return ask('POST', path, { as: stranger(), key, body: { text } })
}

/** Sets a part of an author's keys apart, as a move would leave it. */
function apart(range: { from: string; to: string }, sides: { shard: string; target: string }) {
  return setApart(inject('stoaEnv'), { keyspace: 'social', ...range }, sides)
}

/** What is listed, page by page. */
async function textsOf(path: string, limit = 100): Promise<readonly string[]> {
  const items = await listOf<{ text: string }>(path, { limit })
  return items.map(({ text }) => text)
}

function texts(count: number, from = 0): readonly string[] {
  return Array.from({ length: count }, (_, index) => `Reply ${from + index}.`)
}

/** The shards of two: where the slot of `id` lies, and the other. */
function sidesOf(id: string) {
  const [home, other] = slotOfId(id) < 8_192 ? [0, 1] : [1, 0]
  return { shard: `social-${home}`, target: `social-${other}` }
}

describe('POST /v1/posts/{post}/replies', () => {
  test('writes a reply that is found by id and in the list, and said once', async () => {
    const { path } = await newPost()
    const member = stranger()

    const { status, body } = await ask('POST', path, {
      as: member,
      key: 'k',
      body: { text: ' I agree. ' },
    })

    expect(status).toBe(201)
    expect(body).toMatchObject({ author: usr(member), text: 'I agree.' })
    expect((await ask('GET', `${path}/${String(body['id'])}`)).body).toEqual(body)
    expect(await listOf(path)).toEqual([body])
    const events = await eventsAbout([member])
    expect(events.map(({ type, seq }) => [type, seq])).toEqual([['reply.created', 1]])
    expect(`rpl_${events[0]?.key ?? ''}`).toBe(body['id'])
  })

  test('answers ten repeats at once with one and the same reply', async () => {
    const { path } = await newPost()
    const as = stranger()

    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask('POST', path, { as, key: 'k', body: { text: 'Once.' } }),
      ),
    )

    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201))
    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1)
    expect(await textsOf(path)).toEqual(['Once.'])
  })

  test('writes once when the reply of the database is lost after the commit', async () => {
    const { path } = await newPost()
    const as = stranger()
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId, contains: 'INSERT INTO idempotency' } })

    const first = await ask('POST', path, { as, key: 'k', body: { text: 'Found.' }, requestId })
    const again = await ask('POST', path, { as, key: 'k', body: { text: 'Found.' } })

    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.body).toEqual(first.body)
    expect(await textsOf(path)).toEqual(['Found.'])
  })

  test('refuses a post that is not there, a text too long, the same key for another text, a guest', async () => {
    const { path } = await newPost()
    const as = stranger()
    await ask('POST', path, { as, key: 'k', body: { text: 'One.' } })

    const nowhere = await reply(`/v1/posts/pst_${stranger()}/replies`, 'Hello?')
    const long = await reply(path, 'x'.repeat(501))
    const other = await ask('POST', path, { as, key: 'k', body: { text: 'Two.' } })
    const guest = await ask('POST', path, { key: 'k', body: { text: 'Three.' } })

    expect([nowhere.status, nowhere.body['code']]).toEqual([404, 'post_not_found'])
    expect([long.status, long.body['code']]).toEqual([400, 'reply_too_long'])
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_key_reused'])
    expect([guest.status, guest.body['code']]).toEqual([401, 'token_missing'])
    expect(await textsOf(path)).toEqual(['One.'])
  })
})

describe('GET /v1/posts/{post}/replies', () => {
  test('lists in the order of writing, page by page, each once', async () => {
    const { path } = await newPost()
    for (const text of texts(9)) await reply(path, text)

    expect(await textsOf(path, 2)).toEqual(texts(9))
  })

  test('keeps the replies of two posts of one author apart', async () => {
    const { author, path } = await newPost()
    const { body } = await write(author, 'And of this?')
    const other = `/v1/posts/${String(body['id'])}/replies`
    const { body: mine } = await reply(path, 'To the first.')
    await reply(other, 'To the second.')

    expect(await textsOf(path)).toEqual(['To the first.'])
    expect(await textsOf(other)).toEqual(['To the second.'])
    expect((await ask('GET', `${other}/${String(mine['id'])}`)).status).toBe(404)
  })

  test('answers 404 for a post and a reply that are not there', async () => {
    const { path } = await newPost()

    const list = await ask('GET', `/v1/posts/pst_${stranger()}/replies`)
    const one = await ask('GET', `${path}/rpl_${stranger()}`)

    expect([list.status, list.body['code']]).toEqual([404, 'post_not_found'])
    expect([one.status, one.body['code']]).toEqual([404, 'reply_not_found'])
  })
})

describe('replies whose lanes are set apart', () => {
  test('lie in both databases and are read back in order, by a service that nobody told', async () => {
    const { author, path } = await newPost()
    const prefix = prefixOf(author)
    const range = { from: `${prefix}G`, to: `${prefix}R` }
    await apart(range, sidesOf(author))

    for (const text of texts(40)) expect((await reply(path, text)).status).toBe(201)

    expect(await textsOf(path, 7)).toEqual(texts(40))
    const there = await rowsOfEach('SELECT id FROM reply WHERE substr(id, 1, 5) = ?', [prefix])
    const { shard, target } = sidesOf(author)
    const ids = (name: string) => (there.get(name) ?? []).map(([id]) => String(id))
    expect(ids(target).length).toBeGreaterThan(0)
    expect(ids(shard).length).toBeGreaterThan(0)
    expect(ids(target).filter((id) => id >= range.to)).toEqual([])
    expect(ids(shard).filter((id) => id < range.to)).toEqual([])
    expect(ids(target).length + ids(shard).length).toBe(40)
  })

  test('are found by a retry in the lane of the first try, and by id', async () => {
    const { author, path } = await newPost()
    const prefix = prefixOf(author)
    await apart({ from: `${prefix}G`, to: `${prefix}~` }, sidesOf(author))
    const as = stranger()

    const first = await ask('POST', path, { as, key: 'k', body: { text: 'Far.' } })
    const again = await ask('POST', path, { as, key: 'k', body: { text: 'Far.' } })

    expect(again.body).toEqual(first.body)
    expect((await ask('GET', `${path}/${String(first.body['id'])}`)).body).toEqual(first.body)
    expect(await rowsOf('SELECT id FROM reply WHERE substr(id, 1, 5) = ?', [prefix])).toHaveLength(
      1,
    )
  })

  test('cost one wave of reads, one for each database; the post is in the cache', async () => {
    const near = await newPost()
    const far = await newPost()
    const prefix = prefixOf(far.author)
    await apart({ from: `${prefix}G`, to: `${prefix}R` }, sidesOf(far.author))
    await reply(far.path, 'Wakes the map.')
    await listOf(far.path)

    const costs = await Promise.all(
      [near, far].map(async ({ path }) => {
        const [reading, writing] = [crypto.randomUUID(), crypto.randomUUID()]
        await ask('GET', path, { requestId: reading })
        const body = { text: 'Hi.' }
        await ask('POST', path, { as: stranger(), key: 'k', body, requestId: writing })
        return [await roundTripsOf(reading), await roundTripsOf(writing)]
      }),
    )

    expect(costs).toEqual([
      [1, 1],
      [2, 1],
    ])
  })
})
