import { describe, expect, test } from 'vitest'

import { rawDestination } from '../../src/qstash/destination.ts'
import { openLab } from './harness.ts'

describe('rawDestination', () => {
  test.each([
    ['https://a.b/hook', undefined, 'https://a.b/hook'],
    ['https://a.b/hook', 'a=1&b=%2Fx', 'https://a.b/hook?a=1&b=%2Fx'],
    ['https://a.b/hook', 'a=1&qstash_token=T&b=2', 'https://a.b/hook?a=1&b=2'],
    ['https://a.b/hook', 'qstash_token=T', 'https://a.b/hook'],
    ['https://a.b/hook', '', 'https://a.b/hook?'],
    ['https://a.b/x%2Fy//z', 'q=%25+%20', 'https://a.b/x%2Fy//z?q=%25+%20'],
    ['https://a.b/hook', 'Upstash-Retries=3&x', 'https://a.b/hook?x'],
    ['https://a.b/hook', 'u=https://c.d/?e', 'https://a.b/hook?u=https://c.d/?e'],
  ])("keeps %s ? %s byte for byte, less what is the API's own", (rest, query, destination) => {
    expect(rawDestination(rest, query).destination).toBe(destination)
  })

  test('reads settings from the query, decoded, names in any case', () => {
    const query = 'upstash-retries=3&UPSTASH-Delay=1m&upstash-retry-delay=1000%20*%20retried'

    expect(rawDestination('https://a.b', query).settings).toEqual({
      'upstash-retries': '3',
      'upstash-delay': '1m',
      'upstash-retry-delay': '1000 * retried',
    })
  })
})

describe('publish', () => {
  test('delivers to the raw destination and signs exactly that', async () => {
    await using lab = await openLab()
    const url = `${lab.hook}/a%2Fb//c?x=1&y=%2Fz&empty`

    await lab.client.publish({ url, body: 'hi' })
    await lab.advance(0)

    const [delivery] = lab.received
    expect(delivery?.target).toBe('/a%2Fb//c?x=1&y=%2Fz&empty')
    expect(claimsOf(delivery?.headers['upstash-signature']).sub).toBe(url)
  })

  test('keeps a fragment in a batch out of the request but in the signed subject', async () => {
    await using lab = await openLab()
    const url = `${lab.hook}/a#part`

    await lab.client.batch([{ url, body: 'hi' }])
    await lab.advance(0)

    expect(lab.received[0]?.target).toBe('/a')
    expect(claimsOf(lab.received[0]?.headers['upstash-signature']).sub).toBe(url)
  })

  test('takes the token and settings from the query of a webhook sender', async () => {
    await using lab = await openLab()
    lab.respond = () => ({ status: 500 })
    const target = `/v2/publish/${lab.hook}/w?a=1&upstash-retries=0&qstash_token=${token}`

    const reply = await lab.raw('POST', target, { token: null, body: '{}' })
    await lab.advance('2d')

    expect(reply.status).toBe(200)
    expect(lab.received.map((one) => one.target)).toEqual(['/w?a=1'])
  })

  test('forwards all request headers when asked, but never our own token', async () => {
    await using lab = await openLab()
    const headers = {
      'x-github-event': 'push',
      'content-type': 'application/json',
      'upstash-header-forward': 'true',
      'accept-encoding': 'br',
    }

    await lab.raw('POST', `/v2/publish/${lab.hook}/w`, { headers, body: '{}' })
    await lab.advance(0)

    const got: Record<string, unknown> = lab.received[0]?.headers ?? {}
    expect(got['x-github-event']).toBe('push')
    expect(got['authorization']).toBeUndefined()
  })

  test.each(['ftp://a.b', 'https://', 'http:///x', 'no/such', 'a b', 'https%3A%2F%2Fa.b'])(
    'refuses the destination %s with a 4xx',
    async (destination) => {
      await using lab = await openLab()

      const reply = await lab.call('POST', `/v2/publish/${destination.replace(' ', '%20')}`)

      expect([400, 404]).toContain(reply.status)
      expect(typeof reply.json['error']).toBe('string')
      expect(lab.messages.counted).toBe(0)
    },
  )

  test('where the documents are silent: an unknown URL group is a 404', async () => {
    await using lab = await openLab()

    expect((await lab.call('POST', '/v2/publish/nobody')).status).toBe(404)
  })

  test('answers api/llm and api/email with a 400, which the emulator does not have', async () => {
    await using lab = await openLab()

    expect((await lab.call('POST', '/v2/publish/api/llm')).status).toBe(400)
    expect((await lab.call('POST', '/v2/publish/api/email')).status).toBe(400)
  })
})

const token = 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0='

function claimsOf(signature: string | undefined): { sub: string } {
  const payload = signature?.split('.')[1] ?? ''
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }
}
