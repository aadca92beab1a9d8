import { newEvent, type StoaEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  countsOf,
  deliver,
  eventsAbout,
  homeOf,
  ids,
  listOf,
  members,
  registered,
  relay,
  rowsOf,
  spoil,
  timelines,
  stranger,
  usr,
  write,
} from './harness.ts'

/** The events of an edge that has changed `versions` times, in order. */
function historyOf(follower: string, followee: string, versions: number): StoaEvent[] {
  const edge = ids.child(follower)
  return Array.from({ length: versions }, (_, index) =>
    newEvent(ids, index % 2 === 0 ? 'member.followed' : 'member.unfollowed', {
      key: edge,
      seq: index + 1,
      at: index + 1,
      cause: 'test',
      data: { follower, followee },
    }),
  )
}

describe('member.registered', () => {
  test('makes a profile once, however often it comes, and keeps its counts', async () => {
    const member = stranger()
    await write(member, 'Early bird.')
    const event = registered(member)

    const statuses = await Promise.all([deliver([event]), deliver([event, event])])

    expect(statuses).toEqual([200, 200])
    expect(await countsOf(member)).toEqual({ posts: 1, followers: 0, following: 0 })
  })
})

describe('member.followed and member.unfollowed', () => {
  test('always come to the newest state, in any order, in any deliveries, however often', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), { maxLength: 4 }),
        fc.boolean(),
        async (histories, deliveries, atOnce) => {
          const [followee = '', ...followers] = await members(histories.length + 1)
          const events = histories.flatMap((versions, index) =>
            historyOf(followers[index] ?? '', followee, versions),
          )
          // Whatever came before, in the end each event has come at least once.
          const parcels = [
            ...deliveries.map((picks) =>
              picks.flatMap((pick) => events[pick % events.length] ?? []),
            ),
            events.toReversed(),
          ]

          if (atOnce) await Promise.all(parcels.map((parcel) => deliver(parcel)))
          else for (const parcel of parcels) await deliver(parcel)

          const active = followers.filter((_, index) => (histories[index] ?? 0) % 2 === 1)
          const listed = await listOf(`/v1/users/${usr(followee)}/followers`)
          expect(listed).toEqual(active.map(usr).toSorted())
          expect(await countsOf(followee)).toMatchObject({ followers: active.length })
        },
      ),
      { numRuns: 25 },
    )
  })

  test('fill the timeline when the delivery that wrote the twin died before it', async () => {
    const [ada = '', bob = ''] = await members(2)
    await write(bob, 'Do not lose me.')
    const [followed] = historyOf(ada, bob, 1)
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-request', match: { requestId, contains: 'INSERT INTO timeline' } })

    const events = followed === undefined ? [] : [followed]
    const died = await deliver(events, requestId)
    const again = await deliver(events)

    expect([died, again]).toEqual([503, 200])
    const rows = await rowsOf(`SELECT text FROM ${timelines} WHERE owner = ?`, [ada])
    expect(rows).toEqual([['Do not lose me.']])
    expect(await countsOf(bob)).toMatchObject({ followers: 1 })
  })
})

describe('post.created', () => {
  test('reaches every follower once when it comes twice, at once and later', async () => {
    const [author = '', ...readers] = await members(6)
    await deliver(readers.flatMap((reader) => historyOf(reader, author, 1)))
    await write(author, 'To all.')
    const events = await eventsAbout([author])

    await Promise.all([deliver(events), deliver(events)])
    await deliver(events)

    const rows = await rowsOf(`SELECT owner FROM ${timelines} WHERE author = ?`, [author])
    expect(rows.map(([owner]) => String(owner)).toSorted()).toEqual([author, ...readers].toSorted())
  })

  test('is not for those who follow no more', async () => {
    const [author = '', reader = ''] = await members(2)
    await deliver(historyOf(reader, author, 2))
    await write(author, 'Gone.')

    await relay([author])

    const rows = await rowsOf(`SELECT owner FROM ${timelines} WHERE author = ?`, [author])
    expect(rows).toEqual([[author]])
  })

  test('goes on page by page to 501 followers, with one event a page, also when each comes twice', async () => {
    const [author = '', ...readers] = await members(502)
    const follows = readers.flatMap((reader) => historyOf(reader, author, 1))
    for (let start = 0; start < follows.length; start += 100) {
      await deliver(follows.slice(start, start + 100))
    }
    await write(author, 'To the last.')

    const created = await eventsAbout([author])
    await Promise.all([deliver(created), deliver(created)])
    await relay([author])

    const rows = await rowsOf(`SELECT count(*) FROM ${timelines} WHERE author = ?`, [author])
    expect(rows.reduce((sum, [count]) => sum + Number(count), 0)).toBe(502)
    const events = await eventsAbout([author])
    const [onward, ...more] = events.filter(({ type }) => type === 'post.fanned_out')
    expect(more).toEqual([])
    expect(onward).toMatchObject({ key: created[0]?.id, seq: 1 })
  })

  test('is shown at home only to whoever follows by the own side of the edge', async () => {
    const [author = '', reader = ''] = await members(2)
    await deliver(historyOf(reader, author, 1))
    await write(author, 'For followers.')
    await relay([author])

    // The twin alone says so: the reader's own edge is what counts.
    expect(await homeOf(reader)).toEqual([])
  })
})
