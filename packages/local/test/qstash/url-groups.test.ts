import { expect, test } from 'vitest'

import { openLab } from './harness.ts'

test('creates a group, adds to it, shows and lists it, and deletes it', async () => {
  await using lab = await openLab()
  const one = { name: 'one', url: 'https://oz.requestcatcher.com' }
  const two = { name: 'two', url: 'https://oz1.requestcatcher.com' }

  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [one] })
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [two, { url: 'https://c.d' }] })

  const group = await lab.client.urlGroups.get('g')
  expect(group.endpoints).toEqual([one, two, { url: 'https://c.d' }])
  expect(await lab.client.urlGroups.list()).toEqual([group])
  await lab.client.urlGroups.delete('g')
  await expect(lab.client.urlGroups.get('g')).rejects.toMatchObject({ status: 404 })
})

test('replaces the endpoint of the same name, and does not double a URL', async () => {
  await using lab = await openLab()
  const add = (endpoints: { name?: string; url: string }[]) =>
    lab.client.urlGroups.addEndpoints({ name: 'g', endpoints })

  await add([{ name: 'n', url: 'https://a.b' }, { url: 'https://c.d' }])
  await add([{ name: 'n', url: 'https://new.b' }, { url: 'https://c.d' }])

  expect((await lab.client.urlGroups.get('g')).endpoints).toEqual([
    { name: 'n', url: 'https://new.b' },
    { url: 'https://c.d' },
  ])
})

test('removes endpoints by name or URL, and vanishes with the last', async () => {
  await using lab = await openLab()
  await lab.client.urlGroups.addEndpoints({
    name: 'g',
    endpoints: [{ name: 'n', url: 'https://a.b' }, { url: 'https://c.d' }, { url: 'https://e.f' }],
  })

  const remove = (endpoints: ({ name: string } | { url: string })[]) =>
    lab.client.urlGroups.removeEndpoints({ name: 'g', endpoints })
  await remove([{ name: 'n' }, { url: 'https://c.d' }])
  const left = (await lab.client.urlGroups.get('g')).endpoints
  await remove([{ url: 'https://e.f' }])

  expect(left).toEqual([{ url: 'https://e.f' }])
  expect(await lab.client.urlGroups.list()).toEqual([])
})

test('deletes a group that is not there without an error', async () => {
  await using lab = await openLab()

  await expect(lab.client.urlGroups.delete('nobody')).resolves.toBeUndefined()
})

test('sends to every endpoint, each a message of its own that bears the group and endpoint name', async () => {
  await using lab = await openLab()
  await lab.client.urlGroups.addEndpoints({
    name: 'g',
    endpoints: [{ name: 'n', url: `${lab.hook}/1` }, { url: `${lab.hook}/2` }],
  })

  const sent = await lab.client.publish({ urlGroup: 'g', body: 'x', delay: 3 })
  const [first, second] = await Promise.all(
    sent.map(({ messageId }) => lab.client.messages.get(messageId)),
  )
  await lab.advance('3s')

  expect(sent.map((one) => one.url)).toEqual([`${lab.hook}/1`, `${lab.hook}/2`])
  expect(first).toMatchObject({ urlGroup: 'g', topicName: 'g', endpointName: 'n' })
  expect(second).toMatchObject({ urlGroup: 'g' })
  expect(second?.endpointName).toBeUndefined()
  expect(lab.received.map((one) => one.headers['upstash-topic-name'])).toEqual(['g', 'g'])
  expect(lab.messages.counted).toBe(2)
})

test('retries one endpoint without sending again to the other', async () => {
  await using lab = await openLab()
  lab.respond = ({ target }) => ({ status: target === '/1' ? 500 : 200 })
  const endpoints = [{ url: `${lab.hook}/1` }, { url: `${lab.hook}/2` }]
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints })

  await lab.client.publish({ urlGroup: 'g', retries: 2 })
  await lab.advance('1d')

  expect(lab.received.filter((one) => one.target === '/1')).toHaveLength(3)
  expect(lab.received.filter((one) => one.target === '/2')).toHaveLength(1)
})

test('applies the default headers of a group under those of the request', async () => {
  await using lab = await openLab()
  lab.respond = () => ({ status: 500 })
  await lab.client.urlGroups.addEndpoints({ name: 'g', endpoints: [{ url: lab.hook }] })
  const headers = { 'Upstash-Header-Forward': ['true'], 'Upstash-Retries': '1' }
  await lab.raw('PATCH', '/v2/topics/g', { body: JSON.stringify({ headers }) })

  await lab.raw('POST', '/v2/publish/g', { headers: { 'x-event': 'push' } })
  await lab.raw('POST', '/v2/publish/g', { headers: { 'upstash-retries': '0' } })
  await lab.advance('1d')

  expect(lab.received).toHaveLength(3)
  expect(lab.received.filter((one) => one.headers['x-event'] === 'push')).toHaveLength(2)
})

test('refuses bad names and endpoints, and leaves no group behind', async () => {
  await using lab = await openLab({ limits: { urlGroups: 1, endpoints: 2 } })
  const add = async (name: string, endpoints: unknown) =>
    (
      await lab.call('POST', `/v2/topics/${name}/endpoints`, {
        body: JSON.stringify({ endpoints }),
      })
    ).status
  const url = 'https://a.b'

  expect(await add('a%20b', [{ url }])).toBe(400)
  expect(await add('g', [])).toBe(400)
  expect(await add('g', [{ url: 'a.b' }])).toBe(400)
  expect(await add('g', [{ name: 'n' }])).toBe(400)
  expect(await add('g', [null])).toBe(400)
  expect(await lab.client.urlGroups.list()).toEqual([])
  expect(await add('g', [{ url }, { url: `${url}/2` }])).toBe(200)
  expect(await add('g', [{ url: `${url}/3` }])).toBe(412)
  expect(await add('h', [{ url }])).toBe(412)
})
