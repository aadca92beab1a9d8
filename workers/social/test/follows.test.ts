import { describe, expect, test } from 'vitest'

import {
  ask,
  countsOf,
  eventsAbout,
  follow,
  homeOf,
  listOf,
  members,
  relay,
  rowsOf,
  spoil,
  stranger,
  unfollow,
  usr,
  write,
} from './harness.ts'

/** The events about a pair, by version: what happened to its edge, in order. */
async function historyOf(follower: string, followee: string): Promise<string[]> {
  const events = (await eventsAbout([follower])).filter(
    ({ data }) => 'followee' in data && data.followee === followee,
  )
  return events
    .toSorted((a, b) => a.seq - b.seq)
    .map(({ type, seq }) => `${seq} ${type.replace('member.', '')}`)
}

describe('PUT and DELETE /v1/me/following/{member}', () => {
  test('begins an edge on both sides, counts it, and says so once however often it is asked', async () => {
    const [ada = '', bob = ''] = await members(2)

    const statuses = [(await follow(ada, bob)).status, (await follow(ada, bob)).status]
    await relay([ada])

    expect(statuses).toEqual([204, 204])
    expect(await historyOf(ada, bob)).toEqual(['1 followed'])
    expect(await countsOf(ada)).toEqual({ posts: 0, followers: 0, following: 1 })
    expect(await countsOf(bob)).toEqual({ posts: 0, followers: 1, following: 0 })
    expect(await listOf(`/v1/users/${usr(ada)}/following`)).toEqual([usr(bob)])
    expect(await listOf(`/v1/users/${usr(bob)}/followers`)).toEqual([usr(ada)])
  })

  test('ends it, begins it again, and keeps one edge with a growing version', async () => {
    const [ada = '', bob = ''] = await members(2)

    for (const change of [follow, unfollow, unfollow, follow, unfollow]) await change(ada, bob)
    await relay([ada])

    expect(await historyOf(ada, bob)).toEqual([
      '1 followed',
      '2 unfollowed',
      '3 followed',
      '4 unfollowed',
    ])
    const keys = new Set((await eventsAbout([ada])).map(({ key }) => key))
    expect(keys.size).toBe(1)
    expect(await countsOf(ada)).toMatchObject({ following: 0 })
    expect(await countsOf(bob)).toMatchObject({ followers: 0 })
    expect(await listOf(`/v1/users/${usr(ada)}/following`)).toEqual([])
    expect(await listOf(`/v1/users/${usr(bob)}/followers`)).toEqual([])
  })

  test('does nothing for an edge that never was', async () => {
    const [ada = '', bob = ''] = await members(2)

    const { status } = await unfollow(ada, bob)

    expect(status).toBe(204)
    expect(await rowsOf('SELECT id FROM follow WHERE follower = ?', [ada])).toEqual([])
    expect(await eventsAbout([ada])).toEqual([])
  })

  test('makes one edge, one count and one event of twenty first follows at once', async () => {
    const [ada = '', bob = ''] = await members(2)

    const answers = await Promise.all(Array.from({ length: 20 }, () => follow(ada, bob)))
    await relay([ada])

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]))
    expect(await historyOf(ada, bob)).toEqual(['1 followed'])
    expect(await countsOf(ada)).toMatchObject({ following: 1 })
    expect(await countsOf(bob)).toMatchObject({ followers: 1 })
  })

  test('keeps counts and edges equal under twenty follows and unfollows of a pair at once', async () => {
    const [ada = '', bob = ''] = await members(2)

    await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? follow : unfollow)(ada, bob)),
    )
    await relay([ada])

    const [edge] = await rowsOf('SELECT version, active FROM follow WHERE follower = ?', [ada])
    const [twin] = await rowsOf('SELECT version, active FROM follower WHERE followee = ?', [bob])
    expect(twin).toEqual(edge)
    const [version, active] = edge ?? []
    // An edge alternates, so its history is as long as its version and ends in its state.
    const history = await historyOf(ada, bob)
    expect(history).toEqual(
      Array.from({ length: Number(version) }, (_, i) => `${i + 1} ${i % 2 ? 'un' : ''}followed`),
    )
    expect(Number(active)).toBe(Number(version) % 2)
    expect(await countsOf(ada)).toMatchObject({ following: Number(active) })
    expect(await countsOf(bob)).toMatchObject({ followers: Number(active) })
  })

  test.each([
    ['follow', follow, '1 followed'],
    ['unfollow', unfollow, '2 unfollowed'],
  ] as const)(
    'does a %s once when the reply of the database is lost after the commit',
    async (_what, change, last) => {
      const [ada = '', bob = ''] = await members(2)
      if (change === unfollow) await follow(ada, bob)
      const requestId = crypto.randomUUID()
      await spoil({ action: 'drop-reply', match: { requestId, contains: 'INSERT INTO outbox' } })

      const { status } = await change(ada, bob, requestId)

      expect(status).toBe(204)
      expect((await historyOf(ada, bob)).at(-1)).toBe(last)
      expect(await countsOf(ada)).toMatchObject({ following: change === follow ? 1 : 0 })
    },
  )

  test('does not undo the unfollow that came between a lost reply and the second sending', async () => {
    const [ada = '', bob = ''] = await members(2)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'INSERT INTO outbox' }
    await spoil({ action: 'drop-reply', match })
    await spoil({ action: 'delay', delayMs: 1_000, match })

    const following = follow(ada, bob, requestId)
    while ((await historyOf(ada, bob)).length === 0);
    await unfollow(ada, bob)
    const { status } = await following

    expect(status).toBe(204)
    expect(await historyOf(ada, bob)).toEqual(['1 followed', '2 unfollowed'])
    expect(await countsOf(ada)).toMatchObject({ following: 0 })
  })

  test('counts whom a member follows whose registration comes later', async () => {
    const [bob = ''] = await members(1)
    const early = stranger()

    await follow(early, bob)

    expect(await countsOf(early)).toEqual({ posts: 0, followers: 0, following: 1 })
  })

  test('refuses to follow oneself, and whoever is not there', async () => {
    const [ada = ''] = await members(1)

    const self = await follow(ada, ada)
    const nobody = await follow(ada, stranger())
    const guest = await ask('PUT', `/v1/me/following/${usr(ada)}`)

    expect([self.status, self.body['code']]).toEqual([400, 'cannot_follow_self'])
    expect([nobody.status, nobody.body['code']]).toEqual([404, 'member_not_found'])
    expect([guest.status, guest.body['code']]).toEqual([401, 'token_missing'])
    expect(await rowsOf('SELECT id FROM follow WHERE follower = ?', [ada])).toEqual([])
  })
})

describe('the home timeline', () => {
  test('shows what those one follows wrote before and after, and nothing once one follows no more', async () => {
    const [ada = '', bob = '', eve = ''] = await members(3)
    await write(bob, 'Before.')
    await write(eve, 'Not for Ada.')
    await follow(ada, bob)
    await relay([ada, bob, eve])
    await write(bob, 'After.')
    await write(ada, 'My own.')
    await relay([ada, bob, eve])

    const followed = await homeOf(ada)
    await unfollow(ada, bob)
    const left = await homeOf(ada)

    expect(followed).toEqual(['My own.', 'After.', 'Before.'])
    expect(left).toEqual(['My own.'])
  })

  test('is filled with the newest twenty posts of whom one follows anew', async () => {
    const [ada = '', bob = ''] = await members(2)
    const texts = Array.from({ length: 23 }, (_, index) => `Post ${index}.`)
    for (const text of texts) await write(bob, text)

    await follow(ada, bob)
    await relay([ada])

    expect(await homeOf(ada)).toEqual(texts.toReversed().slice(0, 20))
  })
})
