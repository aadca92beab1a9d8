import { describe, expect, test } from 'vitest'

import {
  ask,
  countsOf,
  eventsAbout,
  follow,
  listOf,
  members,
  relay,
  spoil,
  stranger,
  unfollow,
  usr,
} from './harness.ts'

type Result = { readonly line: number; readonly outcome: string; readonly code?: string }

async function importPairs(pairs: readonly (readonly [string, string])[], requestId?: string) {
  const lines = pairs.map(([follower, followee], index) => {
    return { line: index + 1, follower: usr(follower), followee: usr(followee) }
  })
  const { status, body } = await ask('POST', '/v1/imports/follows', {
    as: 'importer',
    body: { lines },
    ...(requestId === undefined ? {} : { requestId }),
  })
  return { status, results: (body['results'] ?? []) as readonly Result[] }
}

describe('POST /v1/imports/follows', () => {
  test('says of each line what became of it', async () => {
    const [ada = '', bob = '', eve = ''] = await members(3)
    await follow(ada, bob)
    await follow(bob, eve)
    await unfollow(bob, eve)

    const { status, results } = await importPairs([
      [ada, bob],
      [bob, ada],
      [bob, ada],
      [ada, ada],
      [ada, stranger()],
      [stranger(), ada],
      [bob, eve],
    ])

    expect(status).toBe(200)
    expect(results).toEqual([
      { line: 1, outcome: 'exists' },
      { line: 2, outcome: 'created' },
      { line: 3, outcome: 'exists' },
      { line: 4, outcome: 'refused', code: 'cannot_follow_self' },
      { line: 5, outcome: 'refused', code: 'member_not_found' },
      { line: 6, outcome: 'refused', code: 'member_not_found' },
      { line: 7, outcome: 'created' },
    ])
    expect(await countsOf(bob)).toMatchObject({ following: 2 })
  })

  test('loads a whole graph of 500 edges whose events make the other side; a repeat changes nothing', async () => {
    const town = await members(25)
    const pairs = town.flatMap((follower, index) =>
      Array.from({ length: 20 }, (_, step) => {
        return [follower, town[(index + step + 1) % 25] ?? ''] as const
      }),
    )

    const first = await importPairs(pairs)
    const events = await eventsAbout(town)
    await relay(town)
    const second = await importPairs(pairs)

    expect(new Set(first.results.map(({ outcome }) => outcome))).toEqual(new Set(['created']))
    expect(new Set(second.results.map(({ outcome }) => outcome))).toEqual(new Set(['exists']))
    expect(events.length).toBe(500)
    expect((await eventsAbout(town)).length).toBe(500)
    for (const member of town) {
      expect(await countsOf(member)).toEqual({ posts: 0, followers: 20, following: 20 })
    }
    const [ada = ''] = town
    const following = pairs.filter(([follower]) => follower === ada).map(([, each]) => usr(each))
    const followers = pairs.filter(([, followee]) => followee === ada).map(([each]) => usr(each))
    expect(await listOf(`/v1/users/${usr(ada)}/following`, { limit: 7 })).toEqual(
      following.toSorted(),
    )
    expect(await listOf(`/v1/users/${usr(ada)}/followers`, { limit: 7 })).toEqual(
      followers.toSorted(),
    )
  })

  test('creates each edge once when the same lines come five times at once', async () => {
    const [hub = '', ...fans] = await members(21)
    const pairs = fans.map((fan) => [fan, hub] as const)

    const answers = await Promise.all(Array.from({ length: 5 }, () => importPairs(pairs)))
    await relay([hub])

    const created = answers.flatMap(({ results }) =>
      results.filter(({ outcome }) => outcome === 'created'),
    )
    expect(created.length).toBe(20)
    expect((await eventsAbout([hub])).length).toBe(20)
    expect(await countsOf(hub)).toMatchObject({ followers: 20 })
  })

  test('still says created when the reply of the database is lost after the commit', async () => {
    const [ada = '', bob = ''] = await members(2)
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId, contains: 'INSERT INTO outbox' } })

    const { results } = await importPairs([[ada, bob]], requestId)

    expect(results).toEqual([{ line: 1, outcome: 'created' }])
    expect((await eventsAbout([ada])).length).toBe(1)
    expect(await countsOf(ada)).toMatchObject({ following: 1 })
  })

  test('refuses members, guests, and 501 lines', async () => {
    const [ada = '', bob = ''] = await members(2)
    const line = { line: 1, follower: usr(ada), followee: usr(bob) }

    const member = await ask('POST', '/v1/imports/follows', { as: ada, body: { lines: [line] } })
    const guest = await ask('POST', '/v1/imports/follows', { body: { lines: [line] } })
    const flood = await ask('POST', '/v1/imports/follows', {
      as: 'importer',
      body: { lines: Array.from({ length: 501 }, () => line) },
    })

    expect([member.status, member.body['code']]).toEqual([403, 'not_allowed'])
    expect([guest.status, guest.body['code']]).toEqual([401, 'token_missing'])
    expect([flood.status, flood.body['code']]).toEqual([400, 'invalid_request'])
    expect(await eventsAbout([ada])).toEqual([])
  })
})
