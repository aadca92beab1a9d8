import { expect, test } from 'vitest'

import { openLab, tempFolder } from './harness.ts'
import { like } from './matching.ts'

const minute = 60_000
const start = Date.UTC(2026, 0, 1, 12, 0, 30)

test('shows a schedule with all its settings', async () => {
  await using lab = await openLab({ start })

  const { scheduleId } = await lab.client.schedules.create({
    destination: 'https://oz.requestcatcher.com/',
    body: '{"hello":"world"}',
    headers: { 'test-header': 'v', 'Upstash-Forward-bypass-tunnel-reminder': 'client-test' },
    method: 'GET',
    callback: 'https://example.com',
    failureCallback: 'https://example.com/failure',
    delay: 10,
    retries: 5,
    queueName: 'scheduleQueue',
    cron: '*/10 * * * * ',
    label: 'l',
    flowControl: { key: 'k', parallelism: 10, rate: 5, period: '1d' },
  })

  const header = {
    'Bypass-Tunnel-Reminder': ['client-test'],
    'Content-Type': ['application/json'],
    'Test-Header': ['v'],
  }
  expect(await lab.client.schedules.get(scheduleId)).toEqual({
    scheduleId,
    cron: '*/10 * * * *',
    createdAt: start,
    destination: 'https://oz.requestcatcher.com/',
    method: 'GET',
    header,
    body: '{"hello":"world"}',
    callback: 'https://example.com',
    failureCallback: 'https://example.com/failure',
    retries: 5,
    delay: 10,
    queueName: 'scheduleQueue',
    isPaused: false,
    callerIP: '127.0.0.1',
    callerIp: '127.0.0.1',
    label: 'l',
    labels: ['l'],
    flowControlKey: 'k',
    parallelism: 10,
    rate: 5,
    ratePerSecond: 5,
    period: 86_400,
    nextScheduleTime: Date.UTC(2026, 0, 1, 12, 10),
  })
  expect(scheduleId).toMatch(/^scd_/)
})

test('fires every minute on the minute, with the schedule id on the delivery', async () => {
  await using lab = await openLab({ start })

  const { scheduleId } = await lab.client.schedules.create({
    destination: lab.hook,
    cron: '* * * * *',
    body: 'tick',
  })
  await lab.advance('3m')

  const expected = [1, 2, 3].map((n) => Date.UTC(2026, 0, 1, 12, n))
  expect(lab.received.map((one) => one.at)).toEqual(expected)
  expect(lab.received[0]?.headers['upstash-schedule-id']).toBe(scheduleId)
  expect(lab.received[0]?.body.toString()).toBe('tick')
  const schedule = await lab.client.schedules.get(scheduleId)
  expect(schedule.lastScheduleTime).toBe(expected[2])
  expect(schedule.nextScheduleTime).toBe(Date.UTC(2026, 0, 1, 12, 4))
  const messageId = lab.received[2]?.headers['upstash-message-id'] ?? ''
  expect(schedule.lastScheduleStates).toEqual({ [messageId]: 'SUCCESS' })
})

test.each([
  ['0 4 * * *', Date.UTC(2026, 0, 2, 4)],
  ['CRON_TZ=Asia/Shanghai 0 4 * * *', Date.UTC(2026, 0, 1, 20)],
  ['CRON_TZ=America/New_York 30 9 * * 1-5', Date.UTC(2026, 0, 1, 14, 30)],
  ['TZ=Asia/Kolkata 0 0 * * *', Date.UTC(2026, 0, 1, 18, 30)],
])('fires %s at the right moment', async (cron, expected) => {
  await using lab = await openLab({ start })

  await lab.client.schedules.create({ destination: lab.hook, cron })
  await lab.advance('1d')

  expect(lab.received[0]?.at).toBe(expected)
})

test('keeps the wall-clock hour of its zone when daylight saving begins', async () => {
  await using lab = await openLab({ start: Date.UTC(2026, 2, 28) })

  await lab.client.schedules.create({
    destination: lab.hook,
    cron: 'CRON_TZ=Europe/Istanbul 0 9 * * *',
  })
  await lab.client.schedules.create({
    destination: `${lab.hook}/paris`,
    cron: 'CRON_TZ=Europe/Paris 0 9 * * *',
  })
  await lab.advance('2d')

  const hours = (target: string) =>
    lab.received.filter((one) => one.target === target).map((one) => new Date(one.at).getUTCHours())
  expect(hours('/')).toEqual([6, 6])
  expect(hours('/paris')).toEqual([8, 7])
})

test('adds its delay to every trigger', async () => {
  await using lab = await openLab({ start })

  await lab.client.schedules.create({ destination: lab.hook, cron: '0 * * * *', delay: 90 })
  await lab.advance('2h')

  const expected = [13, 14].map((hour) => Date.UTC(2026, 0, 1, hour, 1, 30))
  expect(lab.received.map((one) => one.at)).toEqual(expected.slice(0, 1))
  await lab.advance('2m')
  expect(lab.received.map((one) => one.at)).toEqual(expected)
})

test('skips triggers while paused, and does not make them up', async () => {
  await using lab = await openLab({ start })
  const { scheduleId } = await lab.client.schedules.create({
    destination: lab.hook,
    cron: '* * * * *',
  })

  await lab.client.schedules.pause({ schedule: scheduleId })
  const { isPaused } = await lab.client.schedules.get(scheduleId)
  await lab.advance('5m')
  const whilePaused = lab.received.length
  await lab.client.schedules.resume({ schedule: scheduleId })
  await lab.advance('1m')

  expect(isPaused).toBe(true)
  expect(whilePaused).toBe(0)
  expect(lab.received).toHaveLength(1)
})

test('pauses and resumes by POST too, as the OpenAPI file says', async () => {
  await using lab = await openLab()
  await lab.client.schedules.create({ destination: lab.hook, cron: '* * * * *', scheduleId: 's' })

  const paused = await lab.raw('POST', '/v2/schedules/s/pause')

  expect(paused.status).toBe(200)
  expect((await lab.client.schedules.get('s')).isPaused).toBe(true)
  await lab.raw('POST', '/v2/schedules/s/resume')
  expect((await lab.client.schedules.get('s')).isPaused).toBe(false)
})

test('replaces the schedule of the same id, and drops the body that is not sent again', async () => {
  await using lab = await openLab({ start })
  const create = (destination: string, body?: string) =>
    lab.client.schedules.create({
      destination,
      cron: '*/5 * * * *',
      scheduleId: 'mine',
      ...(body === undefined ? {} : { body }),
    })

  await create('https://www.initial.com', 'my-payload')
  await create('https://www.updated.com')

  const [schedule, ...others] = await lab.client.schedules.list()
  expect(others).toEqual([])
  expect(schedule).toMatchObject({ scheduleId: 'mine', destination: 'https://www.updated.com' })
  expect(schedule?.body).toBeUndefined()
})

test('publishes to a URL group as it is at the trigger, and to a queue', async () => {
  await using lab = await openLab({ start })
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [{ url: `${lab.hook}/1` }] })
  await lab.client.schedules.create({ destination: 'g', cron: '* * * * *', queueName: 'q' })
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [{ url: `${lab.hook}/2` }] })

  await lab.advance('1m')
  await lab.client.urlGroups.delete('g')
  await lab.advance('5m')

  expect(lab.received.map((one) => one.target)).toEqual(['/1', '/2'])
  expect((await lab.client.queue({ queueName: 'q' }).get()).lag).toBe(0)
})

test('reports FAIL for a message that failed, IN_PROGRESS for one that is retried', async () => {
  await using lab = await openLab({ start })
  lab.respond = () => ({ status: 500 })
  const { scheduleId } = await lab.client.schedules.create({
    destination: lab.hook,
    cron: '0 * * * *',
    retries: 1,
  })
  const states = async () =>
    Object.values((await lab.client.schedules.get(scheduleId)).lastScheduleStates ?? {})

  await lab.advance('59m35s')
  const first = await states()
  await lab.advance('1m')

  expect([first, await states()]).toEqual([['IN_PROGRESS'], ['FAIL']])
})

test('is made by a publish with Upstash-Cron too', async () => {
  await using lab = await openLab({ start })
  const headers = { 'upstash-cron': '* * * * *' }

  const { json } = await lab.call('POST', `/v2/publish/${lab.hook}`, { headers })
  await lab.advance('1m')

  expect(json).toEqual({ scheduleId: like(/^scd_/) })
  expect(lab.received).toHaveLength(1)
})

test('stops with its deletion, which may be repeated', async () => {
  await using lab = await openLab({ start })
  const { scheduleId } = await lab.client.schedules.create({
    destination: lab.hook,
    cron: '* * * * *',
  })

  await lab.client.schedules.delete(scheduleId)
  await lab.client.schedules.delete(scheduleId)
  await lab.advance('5m')

  expect(lab.received).toHaveLength(0)
  await expect(lab.client.schedules.get(scheduleId)).rejects.toMatchObject({ status: 404 })
})

test('refuses a missing or bad cron, seconds, an unknown zone, a bad id, and too many', async () => {
  await using lab = await openLab({ limits: { schedules: 1 } })
  const create = async (headers: Record<string, string>) =>
    (await lab.call('POST', `/v2/schedules/${lab.hook}`, { headers })).status

  expect(await create({})).toBe(400)
  expect(await create({ 'upstash-cron': 'every day' })).toBe(400)
  expect(await create({ 'upstash-cron': '* * * * * *' })).toBe(400)
  expect(await create({ 'upstash-cron': 'CRON_TZ=Mars/Base * * * * *' })).toBe(400)
  expect(await create({ 'upstash-cron': '* * * * *', 'upstash-schedule-id': 'a b' })).toBe(400)
  expect(await create({ 'upstash-cron': '* * * * *' })).toBe(200)
  expect(await create({ 'upstash-cron': '* * * * *' })).toBe(412)
})

test('where the documents are silent: triggers missed while the process was down are made up by one', async () => {
  using folder = tempFolder()
  const shared = { at: start }
  await using lab = await openLab({ dataDir: folder.path, now: () => shared.at })
  await lab.client.schedules.create({ destination: lab.hook, cron: '* * * * *' })

  shared.at += 10 * minute
  await lab.reopen()
  await lab.advance(0)

  expect(lab.received).toHaveLength(1)
})
