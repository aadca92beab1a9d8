import { describe, expect, test } from 'vitest'

import {
  ask,
  deliver,
  eventsAbout,
  follow,
  members,
  roundTripsOf,
  unfollow,
  usr,
  write,
} from './harness.ts'

/**
 * The session is checked by another service, here a double that asks no database. Where a route needs a member, the
 * longest chain is therefore the session beside the first read, then the rest.
 */
describe('round trips to a database', () => {
  test('of a follow, first or again, and an unfollow: a read beside the session, then one batch', async () => {
    const [ada = '', bob = ''] = await members(2)

    for (const change of [follow, unfollow, follow]) {
      const requestId = crypto.randomUUID()
      const { status } = await change(ada, bob, requestId)

      expect(status).toBe(204)
      expect(await roundTripsOf(requestId)).toBe(2)
    }
  })

  test('of a post: one batch after the session', async () => {
    const [ada = ''] = await members(1)
    const requestId = crypto.randomUUID()

    await ask('POST', '/v1/posts', { as: ada, key: 'k', body: { text: 'Hi.' }, requestId })

    expect(await roundTripsOf(requestId)).toBe(1)
  })

  test('of a home timeline of many authors: one read after the session', async () => {
    const [reader = '', ...authors] = await members(8)
    for (const author of authors) {
      await follow(reader, author)
      await write(author, 'Hi.')
    }
    await deliver(await eventsAbout([reader, ...authors]))
    const requestId = crypto.randomUUID()

    const { body } = await ask('GET', '/v1/timelines/home', { as: reader, requestId })

    expect(body['items']).toHaveLength(7)
    expect(await roundTripsOf(requestId)).toBe(1)
  })

  test('of every public read: one, and none for a post that has just been written', async () => {
    const [ada = ''] = await members(1)
    const { body } = await write(ada, 'Hi.')
    const lists = ['posts', 'following', 'followers', 'counts'].map(
      (list) => `/v1/users/${usr(ada)}/${list}`,
    )

    for (const path of lists) {
      const requestId = crypto.randomUUID()
      const { status } = await ask('GET', path, { requestId })

      expect(status).toBe(200)
      expect(await roundTripsOf(requestId)).toBe(1)
    }
    const requestId = crypto.randomUUID()
    const { status } = await ask('GET', `/v1/posts/${String(body['id'])}`, { requestId })
    expect([status, await roundTripsOf(requestId)]).toEqual([200, 0])
  })

  test('of a delivery of a hundred follows: one batch for each of the two shards', async () => {
    const [hub = '', ...fans] = await members(51)
    const lines = fans.flatMap((fan, index) => [
      { line: index + 1, follower: usr(fan), followee: usr(hub) },
      { line: index + 51, follower: usr(hub), followee: usr(fan) },
    ])
    await ask('POST', '/v1/imports/follows', { as: 'importer', body: { lines } })
    const events = await eventsAbout([hub])
    const requestId = crypto.randomUUID()

    const status = await deliver(events, requestId)

    expect([events.length, status]).toEqual([100, 200])
    expect(await roundTripsOf(requestId)).toBe(2)
  })
})
