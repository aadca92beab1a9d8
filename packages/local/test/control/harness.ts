import type { Answer, Engine, Exchange } from '../../src/control/exchange.ts'
import { Faults } from '../../src/control/faults.ts'
import { type Front, openFront } from '../../src/control/front.ts'
import { Meter } from '../../src/control/meter.ts'

export type Echo = {
  readonly front: Front
  readonly url: string
  /** The bodies that took effect, in order. */
  readonly effects: string[]
  readonly post: (body: string, headers?: Record<string, string>) => Promise<Response>
  readonly addFault: (rule: unknown) => Promise<Response>
}

/** A front over an engine that only remembers what took effect: the least that meters and faults need. */
export async function openEcho(): Promise<Echo> {
  const effects: string[] = []
  const engine: Engine = {
    name: 'libsql',
    handle: (exchange: Exchange): Answer => {
      const body = Buffer.from(exchange.body).toString()
      effects.push(body)
      exchange.tally.add('statements', 2)
      return {
        status: 200,
        headers: { 'x-target': exchange.target },
        body: `${effects.length}:${body}`,
      }
    },
    databaseOf: ({ target }) => target.split('/')[1],
    close: () => Promise.resolve(),
  }
  const front = await openFront({ engine, meter: new Meter(), faults: new Faults(), port: 0 })
  const url = `http://127.0.0.1:${front.port}`
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/db1/x`, { method: 'POST', body, headers })
  const addFault = (rule: unknown) =>
    fetch(`${url}/_local/faults`, { method: 'POST', body: JSON.stringify(rule) })
  return { front, url, effects, post, addFault }
}
