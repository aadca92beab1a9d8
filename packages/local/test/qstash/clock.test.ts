import { expect, test } from 'vitest'

import { openLab, tempFolder } from './harness.ts'
import type { Lab } from './harness.ts'

const start = Date.UTC(2026, 0, 1)

function post(lab: Lab, body: unknown) {
  return lab.call('POST', '/_local/clock', { body: JSON.stringify(body) })
}

test('tells the time and when something is due next', async () => {
  await using lab = await openLab({ start })

  const idle = (await lab.call('GET', '/_local/clock')).json
  await lab.client.publish({ url: lab.hook, delay: 60 })
  const busy = (await lab.call('GET', '/_local/clock')).json

  expect(idle).toEqual({ now: start, offsetMs: 0, paused: false, nextWakeAt: null })
  expect(busy['nextWakeAt']).toBe(start + 60_000)
})

test('makes every delivery on the way at its own time, in order', async () => {
  await using lab = await openLab({ start })
  for (const delay of [3600, 60, 7200]) {
    await lab.client.publish({ url: `${lab.hook}/${delay}`, delay })
  }

  const { json } = await post(lab, { advance: '24h' })

  expect(lab.received.map((one) => [one.target, one.at - start])).toEqual([
    ['/60', 60_000],
    ['/3600', 3_600_000],
    ['/7200', 7_200_000],
  ])
  const now = start + 86_400_000
  expect(json).toEqual({
    now,
    offsetMs: 86_400_000,
    paused: false,
    nextWakeAt: null,
    complete: true,
  })
})

test('goes to a moment by set, and takes milliseconds for advance', async () => {
  await using lab = await openLab({ start })

  await post(lab, { set: start + 5000 })
  await post(lab, { advance: 500 })

  expect(await lab.now()).toBe(start + 5500)
})

test('stands still when paused and runs on from there', async () => {
  const base = { at: start }
  await using lab = await openLab({ now: () => base.at })

  await post(lab, { pause: true })
  base.at += 1000
  const paused = await lab.now()
  await post(lab, { advance: '10s' })
  base.at += 1000
  const advanced = await lab.now()
  await post(lab, { pause: false })
  base.at += 1000

  expect([paused, advanced, await lab.now()].map((at) => at - start)).toEqual([0, 10_000, 11_000])
})

test('never runs back, even when the base clock does', async () => {
  const base = { at: start }
  await using lab = await openLab({ now: () => base.at })

  base.at -= 60_000

  expect(await lab.now()).toBe(start)
  expect((await post(lab, { set: start - 1 })).status).toBe(400)
})

test('refuses nonsense', async () => {
  await using lab = await openLab({ start })

  for (const body of [{}, { advance: 'soon' }, { advance: -1 }, { advance: '500d' }, null, 'x']) {
    expect([body, (await post(lab, body)).status]).toEqual([body, 400])
  }
  expect((await lab.raw('PUT', '/_local/clock', { body: '{}' })).status).toBe(405)
  expect(await lab.now()).toBe(start)
})

test('does not hang on a destination that never answers', async () => {
  await using lab = await openLab({ start })
  lab.respond = ({ target }) =>
    target === '/hangs' ? new Promise(() => undefined) : { status: 200 }
  await lab.client.publish({ url: `${lab.hook}/hangs`, retries: 0 })
  await lab.client.publish({ url: `${lab.hook}/later`, delay: 60 })

  await lab.advance('3h')

  expect(lab.received.map((one) => one.target)).toEqual(['/hangs', '/later'])
  expect((await lab.client.dlq.listMessages()).messages[0]?.responseBody).toMatch(/timed out/)
})

test('keeps its lead over a restart', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  await lab.advance('2d')

  await lab.reopen()

  expect(await lab.now()).toBe(start + 2 * 86_400_000)
})

test('wakes by itself while the clock runs', async () => {
  await using lab = await openLab({ now: Date.now })
  lab.respond = ({ headers }) => ({ status: headers['upstash-retried'] === '0' ? 500 : 200 })

  const { messageId } = await lab.client.publish({ url: lab.hook, retries: 1, retryDelay: '20' })

  await expect.poll(() => lab.states(messageId)).toContain('DELIVERED')
  expect(lab.received).toHaveLength(2)
})
