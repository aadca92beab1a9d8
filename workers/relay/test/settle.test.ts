import { libsqlShard } from '@stoa/adapters/libsql'
import { tableShapes } from '@stoa/adapters/table-shapes'
import * as schema from '@stoa/data/users'
import { rootCall, secureRandom, type SqlShard, systemClock } from '@stoa/kernel'
import { createMover } from '@stoa/resharding'
import { expect, test, vi } from 'vitest'

import { createRelay } from '../src/app.ts'
import { settleMoves } from '../src/domain/settle.ts'
import { env, links, meta, run, shardOf } from './harness.ts'

const call = rootCall('settle-test')
const token = env['LIBSQL_TOKEN'] ?? ''

/** A coordinator that dies before it hands anything over once `isDying`. */
function mortalMover() {
  const life = { isDying: false }
  const mover = createMover({
    meta,
    open: ({ name, url }): SqlShard => {
      const shard = libsqlShard({ name, url, token })
      return {
        name,
        batch: async (statements, mode, each) => {
          const isHandingOver = statements.some(({ sql }) => sql.includes("'handed_off'"))
          if (life.isDying && mode === 'write' && isHandingOver) throw new Error('it died')
          return shard.batch(statements, mode, each)
        },
      }
    },
    clock: systemClock,
    random: secureRandom,
    sleep: async () => undefined,
  })
  return { mover, life }
}

test('a move whose coordinator died while its keys were frozen is gone on with', async () => {
  const { mover, life } = mortalMover()
  const users = await shardOf('users-0')
  await mover.start(
    {
      id: 'left-alone',
      keyspace: 'users',
      scope: { kind: 'slots', slots: [9] },
      source: 'users-0',
      target: 'users-1',
      shapes: tableShapes(schema),
    },
    call,
  )
  let { phase } = await mover.read('left-alone', call)
  while (phase !== 'cutover') ({ phase } = await mover.advance('left-alone', call))
  life.isDying = true
  await expect(mover.advance('left-alone', call)).rejects.toThrow('it died')
  const stateOf9 = async () =>
    (await run(users, "SELECT state FROM _slot_owner WHERE lo = '009'")).flat()
  expect(await stateOf9()).toEqual(['frozen'])

  const { sweep } = createRelay(env, links)
  await sweep()
  expect(await stateOf9()).toEqual(['frozen'])

  await run(meta, 'UPDATE reshard_job SET updated_at = updated_at - 60000')
  await sweep()
  expect(await stateOf9()).not.toEqual(['frozen'])
  await run(meta, 'UPDATE reshard_job SET updated_at = updated_at - 60000')
  await sweep()
  life.isDying = false
  expect((await mover.run('left-alone', call)).phase).toBe('done')
  expect(await stateOf9()).toEqual(['handed_off'])
})

test('one move that fails is reported and stops no other', async () => {
  const report = vi.fn<(error: unknown, requestId: string) => void>()
  const advance = vi.fn<(id: string) => Promise<void>>(async (id) => {
    if (id === 'a') throw new Error('no')
  })

  const settled = await settleMoves(
    { abandoned: async () => ['a', 'b'], advance, report },
    1_000_000,
    call,
  )

  expect(settled).toBe(1)
  expect(advance.mock.calls.map(([id]) => id)).toEqual(['a', 'b'])
  expect(report).toHaveBeenCalledOnce()
})
