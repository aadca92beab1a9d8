import { createServer } from 'node:http'
import { type AddressInfo, createServer as createSocketServer } from 'node:net'

import { expect, test } from 'vitest'

import { failureOfFetch } from '../src/index.ts'

async function failure(url: string): Promise<unknown> {
  try {
    await fetch(url, { method: 'POST', body: 'x' })
    return 'answered'
  } catch (thrown) {
    return failureOfFetch(thrown)
  }
}

test('a refused connection proves that nothing was sent', async () => {
  const server = createSocketServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))

  expect(await failure(`http://127.0.0.1:${port}/`)).toBe('not_sent')
})

test('a connection cut after the request proves nothing', async () => {
  const server = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo

  expect(await failure(`http://127.0.0.1:${port}/`)).toBe('unknown')
  server.close()
})

test('every address refused is refused; one cut is unknown', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' })

  expect(
    failureOfFetch(
      new TypeError('fetch failed', { cause: new AggregateError([refused, refused]) }),
    ),
  ).toBe('not_sent')
  expect(failureOfFetch(new AggregateError([refused, reset]))).toBe('unknown')
  expect(failureOfFetch(new AggregateError([]))).toBe('unknown')
  expect(failureOfFetch('Network connection lost.')).toBe('unknown')
})
