import { describe, expect, test } from 'vitest'

import {
  ask,
  countsOf,
  eventsAbout,
  listOf,
  members,
  rowsOf,
  spoil,
  stranger,
  usr,
  write,
} from './harness.ts'

describe('POST /v1/posts', () => {
  test('writes a post that is found by id, with its author and at home, counted, and said once', async () => {
    const [author = ''] = await members(1)

    const { status, body } = await write(author, '  Hello, stoa.  ')

    expect(status).toBe(201)
    expect(body).toMatchObject({ author: usr(author), text: 'Hello, stoa.' })
    expect((await ask('GET', `/v1/posts/${String(body['id'])}`)).body).toEqual(body)
    expect(await listOf(`/v1/users/${usr(author)}/posts`)).toEqual([body])
    expect(await listOf('/v1/timelines/home', { as: author })).toEqual([body])
    expect(await countsOf(author)).toEqual({ posts: 1, followers: 0, following: 0 })
    const events = await eventsAbout([author])
    expect(events.map(({ type, seq }) => [type, seq])).toEqual([['post.created', 1]])
    expect(`pst_${events[0]?.key ?? ''}`).toBe(body['id'])
  })

  test('answers ten repeats at once with one and the same post', async () => {
    const [author = ''] = await members(1)

    const answers = await Promise.all(
      Array.from({ length: 10 }, () => write(author, 'Once.', 'the-key')),
    )

    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201))
    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1)
    expect(answers.filter(({ headers }) => headers.has('idempotency-replayed')).length).toBe(9)
    expect(await countsOf(author)).toEqual({ posts: 1, followers: 0, following: 0 })
  })

  test('writes once when the reply of the database is lost after the commit', async () => {
    const [author = ''] = await members(1)
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId, contains: 'INSERT INTO idempotency' } })

    const { status, body } = await ask('POST', '/v1/posts', {
      as: author,
      key: 'k',
      body: { text: 'Lost and found.' },
      requestId,
    })

    expect(status).toBe(201)
    expect(await listOf(`/v1/users/${usr(author)}/posts`)).toEqual([body])
    expect((await eventsAbout([author])).length).toBe(1)
  })

  test('refuses the same key for another text with 422', async () => {
    const [author = ''] = await members(1)
    await write(author, 'One.', 'k')

    const { status, body } = await write(author, 'Another.', 'k')

    expect([status, body['code']]).toEqual([422, 'idempotency_key_reused'])
  })

  test('takes 500 graphemes, however many code units, and refuses 501', async () => {
    const [author = ''] = await members(1)
    const family = '👩‍🚒'

    const fits = await write(author, family.repeat(500))
    const tooLong = await write(author, `${family.repeat(500)}!`)

    expect(fits.status).toBe(201)
    expect([tooLong.status, tooLong.body['code']]).toEqual([400, 'post_too_long'])
    expect(await countsOf(author)).toMatchObject({ posts: 1 })
  })

  test('counts the posts of a member whose registration comes later', async () => {
    const early = stranger()

    await write(early, 'Already here.')

    expect(await countsOf(early)).toEqual({ posts: 1, followers: 0, following: 0 })
  })

  test.each([
    ['no text', {}, 'invalid_request'],
    ['a number for a text', { text: 7 }, 'invalid_request'],
    ['blanks alone', { text: ' \n ' }, 'invalid_request'],
  ])('refuses %s with 400 and writes nothing', async (_what, body, code) => {
    const [author = ''] = await members(1)

    const answer = await ask('POST', '/v1/posts', { as: author, key: 'k', body })

    expect([answer.status, answer.body['code']]).toEqual([400, code])
    expect(await rowsOf('SELECT id FROM post WHERE author = ?', [author])).toEqual([])
  })

  test('refuses a guest, a wrong token and a missing key', async () => {
    const [author = ''] = await members(1)
    const body = { text: 'No.' }

    const guest = await ask('POST', '/v1/posts', { key: 'k', body })
    const forged = await ask('POST', '/v1/posts', { as: 'forged', key: 'k', body })
    const keyless = await ask('POST', '/v1/posts', { as: author, body })

    expect([guest.status, guest.body['code']]).toEqual([401, 'token_missing'])
    expect([forged.status, forged.body['code']]).toEqual([401, 'session_ended'])
    expect([keyless.status, keyless.body['code']]).toEqual([400, 'idempotency_key_missing'])
  })
})

describe('GET', () => {
  test('lists posts newest first, page by page, each once', async () => {
    const [author = ''] = await members(1)
    const texts = Array.from({ length: 7 }, (_, index) => `Post ${index}.`)
    for (const text of texts) await write(author, text)

    const posts = await listOf<{ text: string }>(`/v1/users/${usr(author)}/posts`, { limit: 3 })
    const home = await listOf<{ text: string }>('/v1/timelines/home', { as: author, limit: 3 })

    expect(posts.map(({ text }) => text)).toEqual(texts.toReversed())
    expect(home).toEqual(posts)
  })

  test('answers 404 for a post and a member that are not there', async () => {
    const nobody = stranger()

    const post = await ask('GET', `/v1/posts/pst_${nobody}`)
    const lists = await Promise.all(
      ['posts', 'following', 'followers', 'counts'].map((list) =>
        ask('GET', `/v1/users/${usr(nobody)}/${list}`),
      ),
    )

    expect([post.status, post.body['code']]).toEqual([404, 'post_not_found'])
    for (const { status, body } of lists) {
      expect([status, body['code']]).toEqual([404, 'member_not_found'])
    }
  })

  test('shows an empty home to a member whose registration is still on its way', async () => {
    const { status, body } = await ask('GET', '/v1/timelines/home', { as: stranger() })

    expect(status).toBe(200)
    expect(body).toEqual({ items: [] })
  })

  test.each([
    ['/v1/timelines/home?cursor=nonsense', 'invalid_cursor'],
    ['/v1/timelines/home?limit=0', 'invalid_request'],
    ['/v1/timelines/home?limit=101', 'invalid_request'],
    ['/v1/posts/pst_short', 'invalid_request'],
    ['/v1/users/prd_00000000000000000000/posts', 'invalid_request'],
  ])('refuses %s with 400', async (path, code) => {
    const { status, body } = await ask('GET', path, { as: stranger() })

    expect([status, body['code']]).toEqual([400, code])
  })
})
