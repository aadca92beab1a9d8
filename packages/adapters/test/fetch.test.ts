import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

import { echo, fetcherContract } from '@stoa/kernel/contract'

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString()
}

fetcherContract('fetch', async () => {
  const server = createServer(async (incoming, outgoing) => {
    const body = await textOf(incoming)
    const answer = await echo(
      new Request(`http://x${incoming.url}`, {
        method: incoming.method ?? 'GET',
        headers: { 'x-request-id': String(incoming.headers['x-request-id'] ?? '') },
        ...(body === '' ? {} : { body }),
      }),
    )
    outgoing.writeHead(answer.status).end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    fetcher: (request) => fetch(request),
    origin: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
})
