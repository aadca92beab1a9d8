import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    listenerUrl: string
  }
}

type Heard = {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * A merchant's server, in the process of the tests. `POST /hook/<name>/<script>` is answered by the script, one word a
 * request and the last one for ever: a status, or `lost` for a reply that never comes. `GET /heard/<name>` tells what
 * came in.
 */
export async function setup(project: TestProject): Promise<() => void> {
  const heard = new Map<string, Heard[]>()
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const [, verb = '', name = '', script = ''] = (request.url ?? '').split('/')
      const list = heard.get(name) ?? []
      if (verb === 'heard') return response.end(JSON.stringify(list))
      list.push({ headers: request.headers, body })
      heard.set(name, list)
      const words = script.split(',')
      const word = words[Math.min(list.length, words.length) - 1] ?? ''
      if (word === 'lost') return request.socket.destroy()
      response.writeHead(Number(word), { location: `/hook/${name}-elsewhere/200` })
      return response.end('x'.repeat(100_000))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  project.provide('listenerUrl', `http://127.0.0.1:${port}`)
  return () => {
    server.closeAllConnections()
    server.close()
  }
}
