import { clientOf } from '@stoa/contracts'
import { social } from '@stoa/contracts/social'
import { rootCall, type Statement } from '@stoa/kernel'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { afterAll, describe, expect, inject, test } from 'vitest'

import { recountStatement } from '../src/store/recount.ts'
import {
  countsOf,
  follow,
  members,
  relay,
  spoil,
  stranger,
  unfollow,
  usr,
  write,
} from './harness.ts'

const env = inject('stoaEnv')
const call = rootCall('test')
const router = routerOf('social', env)
const client = clientOf(social, (request) => exports.default.fetch(request))

async function recount(member: string): Promise<boolean> {
  return (await client.recountProfile({ body: { member: usr(member) } }, call)).isChanged
}

async function spoilCounts(member: string): Promise<void> {
  const sql = 'UPDATE profile SET posts = 9, followers = 0, following = 7 WHERE member = ?'
  await router.write(member, [{ sql, args: [member] }], call)
}

/** One who follows two of three, is followed by one of two, and has written twice. */
async function knownMember(): Promise<string> {
  const [ada = '', bob = '', cem = '', dan = ''] = await members(4)
  for (const followee of [bob, cem, dan]) await follow(ada, followee)
  await unfollow(ada, dan)
  for (const follower of [bob, cem]) await follow(follower, ada)
  await unfollow(cem, ada)
  for (const text of ['one', 'two']) await write(ada, text)
  await relay([ada])
  return ada
}

const truth = { posts: 2, followers: 1, following: 2 }

describe('a recount', () => {
  test('sets what a profile counts to its rows, once', async () => {
    const member = await knownMember()
    await spoilCounts(member)

    expect([await recount(member), await recount(member)]).toEqual([true, false])
    expect(await countsOf(member)).toEqual(truth)
  })

  test('undoes nothing that happens at the same time', async () => {
    const member = await knownMember()
    const others = await members(6)
    await spoilCounts(member)

    await Promise.all([
      ...others.map((other) => follow(member, other)),
      ...others.map((_, index) => write(member, `post ${index}`)),
      ...others.map(() => recount(member)),
    ])

    // Whatever came before the last recount was counted by it, and whatever came after it counted on.
    expect(await countsOf(member)).toEqual({ posts: 8, followers: 1, following: 8 })
    expect(await recount(member)).toBe(false)
  })

  test('changes nothing when it is asked again because its reply was lost', async () => {
    const member = await knownMember()
    await spoilCounts(member)
    await spoil({ action: 'drop-reply', match: { contains: 'UPDATE profile SET (posts' } })

    await expect(recount(member)).rejects.toMatchObject({ code: 'ambiguous_write' })

    expect(await recount(member)).toBe(false)
    expect(await countsOf(member)).toEqual(truth)
  })

  test('makes no profile of somebody who has none', async () => {
    expect(await recount(stranger())).toBe(false)
  })
})

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

describe('a mutant of it that', () => {
  async function live(swap: (statement: Statement) => Statement): Promise<unknown> {
    const member = await knownMember()
    await spoilCounts(member)
    await router.write(member, [swap(recountStatement(member))], call)
    return countsOf(member)
  }

  test.for<readonly [name: string, from: string, to: string]>([
    [
      'counts whom one follows no more',
      'f.follower = profile.member AND f.active = 1',
      'f.follower = profile.member',
    ],
    [
      'counts who follows no more',
      'f.followee = profile.member AND f.active = 1',
      'f.followee = profile.member',
    ],
    [
      'leaves posts as they are',
      '(SELECT count(*) FROM post AS p WHERE p.author = profile.member)',
      'profile.posts',
    ],
  ])('%s is noticed', async ([name, from, to]) => {
    let lived = 0

    const counts = await live(({ sql, args }) => {
      if (sql.includes(from)) lived += 1
      return { sql: sql.replaceAll(from, to), args }
    })

    expect(lived).toBe(1)
    expect(counts).not.toEqual(truth)
    caught.push(name)
  })
})
