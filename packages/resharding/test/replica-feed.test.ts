import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { openReplicaWorld, type ReplicaWorld } from './replica-world.ts'
import { call } from './world.ts'

let scene: ReplicaWorld

beforeEach(async () => {
  scene = await openReplicaWorld()
  for (let writes = 0; writes < 60; writes += 1) await scene.write()
})
afterEach(() => scene.close())

describe('a feed', () => {
  test('copies what is there, and then what changes', async () => {
    const feed = scene.feed()

    const first = await feed.advance(call)
    expect(first).toMatchObject({ isLevel: true, wanted: 0 })
    expect(await scene.differences()).toEqual([])
    for (let writes = 0; writes < 40; writes += 1) await scene.write()
    await feed.advance(call)

    expect(await scene.differences()).toEqual([])
    expect(await scene.wrongs()).toEqual([])
  })
})
