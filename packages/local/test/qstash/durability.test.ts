import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { devToken } from '../../src/qstash/index.ts'
import { openJournal } from '../../src/qstash/journal.ts'
import { listen, openLab, originOf, seeded, tempFolder } from './harness.ts'

const start = Date.UTC(2026, 0, 1)

test('has after a restart all that it had before', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  const { client } = lab
  lab.respond = ({ target }) => ({ status: target === '/ok' ? 200 : 500, body: 'why' })
  await client.queue({ queueName: 'q' }).upsert({ parallelism: 3, paused: true })
  await client.urlGroups.addEndpoints({ name: 'g', endpoints: [{ name: 'n', url: lab.hook }] })
  await client.schedules.create({
    destination: 'g',
    cron: '0 * * * *',
    scheduleId: 's',
    body: 'tick',
    redact: { body: true },
  })
  await client.schedules.pause({ schedule: 's' })
  await client.flowControl.pin('k', { parallelism: 3, rate: 20, period: 120 })
  await client.flowControl.pause('k')
  await client.publish({ url: `${lab.hook}/dead`, retries: 0, body: 'x' })
  await client.publish({ url: `${lab.hook}/ok` })
  await client.publish({ url: `${lab.hook}/retries` })
  await client.queue({ queueName: 'q' }).enqueue({ url: lab.hook, label: ['a', 'b'] })
  await client.publish({ urlGroup: 'g', delay: 60, deduplicationId: 'd', callback: lab.hook })
  await lab.raw('POST', '/v2/keys/rotate')
  await lab.raw('DELETE', '/v2/messages?label=none')
  await lab.advance(0)
  const targets = [
    '/v2/queues',
    '/v2/topics',
    '/v2/schedules',
    '/v2/flowControl',
    '/v2/dlq',
    '/v2/logs?count=1000',
    '/v2/keys',
    '/v2/bulkActions',
  ]
  const look = async () => {
    const seen = []
    for (const target of targets) {
      const { text } = await lab.raw('GET', target)
      // A restart begins a new rate period.
      seen.push([target, text.replace(/"ratePeriodStart":\d+/, '')])
    }
    return seen
  }

  const before = await look()
  await lab.reopen()
  const after = await look()
  const again = await client.publish({ urlGroup: 'g', deduplicationId: 'd' })

  expect(after).toEqual(before)
  expect(again).toMatchObject([{ deduplicated: true }])
})

test('does not deliver again after a restart what was recorded as delivered', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  await lab.client.batch(Array.from({ length: 20 }, (_, n) => ({ url: `${lab.hook}/${n}` })))
  await lab.advance(0)

  await lab.reopen()
  await lab.advance('1d')

  expect(lab.received).toHaveLength(20)
})

test('delivers after a restart what waited, and goes on with the retries where it was', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  lab.respond = () => ({ status: 500 })
  await lab.client.publish({ url: `${lab.hook}/late`, delay: 3600, retries: 0 })
  await lab.client.publish({ url: `${lab.hook}/again`, retries: 2, retryDelay: '60000' })
  await lab.advance('1m')

  await lab.reopen()
  await lab.advance('1d')

  expect(lab.received.map((one) => [one.target, one.at - start])).toEqual([
    ['/again', 0],
    ['/again', 60_000],
    ['/again', 120_000],
    ['/late', 3_600_000],
  ])
})

test('keeps the order of a queue over a restart, with a message between two attempts', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  lab.respond = ({ headers }) => ({ status: headers['upstash-retried'] === '0' ? 500 : 200 })
  const queue = lab.client.queue({ queueName: 'q' })
  for (const path of ['a', 'b', 'c']) await queue.enqueue({ url: `${lab.hook}/${path}` })
  await lab.advance(0)

  await lab.reopen()
  await lab.advance('1h')

  expect(lab.received.map((one) => one.target)).toEqual(['/a', '/a', '/b', '/b', '/c', '/c'])
})

test('holds a queue after a restart until the callback of the message before is done', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  lab.respond = ({ target, headers }) => ({
    status: target === '/callback' && headers['upstash-retried'] === '0' ? 500 : 200,
  })
  const queue = lab.client.queue({ queueName: 'q' })
  await queue.enqueue({ url: `${lab.hook}/a`, callback: `${lab.hook}/callback` })
  await queue.enqueue({ url: `${lab.hook}/b` })
  await lab.advance(0)

  await lab.reopen()
  await lab.advance('1h')

  expect(lab.received.map((one) => one.target)).toEqual(['/a', '/callback', '/callback', '/b'])
})

test('delivers again what was under way when it stopped, and counts no attempt for it', async () => {
  using folder = tempFolder()
  await using lab = await openLab({ start, dataDir: folder.path })
  let answers = false
  lab.respond = () => (answers ? { status: 200 } : new Promise(() => undefined))
  await lab.client.publish({ url: lab.hook, retries: 0 })
  await expect.poll(() => lab.received.length).toBe(1)

  answers = true
  await lab.reopen()
  await lab.advance(0)

  expect(lab.received.map((one) => one.headers['upstash-retried'])).toEqual(['0', '0'])
  expect((await lab.client.dlq.listMessages()).messages).toEqual([])
})

test('prunes what neither the log nor the DLQ shows any more', async () => {
  using folder = tempFolder()
  const limits = { logEntries: 10 }
  await using lab = await openLab({ start, dataDir: folder.path, limits })
  lab.respond = ({ target }) => ({ status: target === '/dead' ? 500 : 200 })
  await lab.client.publish({ url: `${lab.hook}/dead`, retries: 0, body: 'kept' })
  const items = Array.from({ length: 400 }, (_, n) => ({ url: `${lab.hook}/${n}` }))
  await lab.client.batch(items)
  await lab.advance(0)

  await lab.reopen()

  const journal = openJournal(folder.path)
  const [rows] = journal.read('SELECT count(*) AS n FROM message')
  journal.close()
  expect(Number(rows?.['n'])).toBeLessThan(300)
  const [dead] = (await lab.client.dlq.listMessages()).messages
  expect(dead?.body).toBe('kept')
})

/** Starts the child, which prints its port when it listens. */
function startChild(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [dataDir])
  return new Promise((resolve, reject) => {
    child.once('message', (url) => resolve({ child, url: JSON.stringify(url).slice(1, -1) }))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`child ended with ${code}`)))
  })
}

/** Publishes over and over until the server is gone; tells which bodies were acknowledged. */
async function publishUntilGone(to: string, name: string, acknowledge: (body: string) => void) {
  for (let n = 0; ; n += 1) {
    const body = `${name}:${n}`
    // Every second one is still pending when the process is killed.
    const headers = {
      authorization: `Bearer ${devToken}`,
      'upstash-delay': n % 2 === 0 ? '0s' : '1h',
    }
    try {
      const reply = await fetch(to, { method: 'POST', headers, body })
      await reply.text()
      if (reply.status === 200) acknowledge(body)
    } catch {
      return
    }
  }
}

test('loses nothing it acknowledged when it is killed between publishes, again and again', async () => {
  using folder = tempFolder()
  const seen = new Set<string>()
  const destination = await listen((_, body) => {
    seen.add(body.toString())
    return Promise.resolve({ status: 200 })
  })
  const hook = originOf(destination)
  const random = seeded(7)
  const acknowledged: string[] = []

  for (let life = 0; life < 3; life += 1) {
    const { child, url } = await startChild(folder.path)
    const exited = new Promise((resolve) => child.once('exit', resolve))
    const last = acknowledged.length + 30 + Math.floor(random() * 60)
    const publishers = ['a', 'b', 'c', 'd'].map((name) =>
      publishUntilGone(`${url}/v2/publish/${hook}`, `${life}${name}`, (body) => {
        acknowledged.push(body)
        if (acknowledged.length === last) child.kill('SIGKILL')
      }),
    )
    await Promise.all([exited, ...publishers])
  }
  const { child, url } = await startChild(folder.path)
  try {
    const body = JSON.stringify({ advance: '2h' })
    const clock = await fetch(`${url}/_local/clock`, { method: 'POST', body })
    expect(clock.status).toBe(200)
  } finally {
    child.kill('SIGKILL')
    destination.close()
    destination.closeAllConnections()
  }

  expect(acknowledged.length).toBeGreaterThan(90)
  expect(acknowledged.filter((one) => !seen.has(one))).toEqual([])
}, 30_000)
