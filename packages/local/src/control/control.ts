import type { Answer, Engine, Exchange } from './exchange.ts'
import { type Faults, InvalidFaultError } from './faults.ts'
import type { Meter } from './meter.ts'

type Deps = { readonly engine: Engine; readonly meter: Meter; readonly faults: Faults }
type Route = (exchange: Exchange, deps: Deps, query: URLSearchParams) => Promise<Answer> | Answer

export function json(value: unknown, status = 200): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: `${JSON.stringify(value)}\n`,
  }
}

/** The JSON body of a control request. @throws InvalidFaultError when it is not JSON. */
export function jsonBody(exchange: Exchange): unknown {
  try {
    return JSON.parse(Buffer.from(exchange.body).toString('utf8')) as unknown
  } catch (error) {
    throw new InvalidFaultError('Cannot read the request: the body is not JSON', { cause: error })
  }
}

const databaseName = /^[a-z0-9][a-z0-9-]{0,62}$/

async function createDatabase(exchange: Exchange, { engine }: Deps): Promise<Answer> {
  if (engine.databases === undefined) return json({ error: `${engine.name} has no databases` }, 404)
  const body = jsonBody(exchange)
  const name = typeof body === 'object' && body !== null && 'name' in body ? body.name : undefined
  if (typeof name !== 'string' || !databaseName.test(name)) {
    return json({ error: `"name" must match ${databaseName.source}` }, 400)
  }
  return json(await engine.databases.create(name), 201)
}

const routes: Readonly<Record<string, Route>> = {
  'GET /_local/meter': (_exchange, { meter }, query) => {
    const requestId = query.get('request')
    return json(requestId === null ? meter.report() : meter.ofRequest(requestId))
  },
  'DELETE /_local/meter': (_exchange, { meter }) => {
    meter.reset()
    return { status: 204 }
  },
  'GET /_local/faults': (_exchange, { faults }) => json({ faults: faults.list() }),
  'POST /_local/faults': (exchange, { faults }) => json(faults.add(jsonBody(exchange)), 201),
  'DELETE /_local/faults': (_exchange, { faults }) => {
    faults.clear()
    return { status: 204 }
  },
  'GET /_local/databases': async (_exchange, { engine }) =>
    json({ databases: (await engine.databases?.list()) ?? [] }),
  'POST /_local/databases': createDatabase,
}

/** Answers `/_local/…`, the same on each server. A page in a browser must not reach it, so an `Origin` is refused. */
export async function controlRoutes(exchange: Exchange, deps: Deps): Promise<Answer> {
  if (exchange.headers['origin'] !== undefined) return json({ error: 'not from a browser' }, 403)
  const { pathname, searchParams } = new URL(exchange.target, 'http://local')
  const own = deps.engine.control?.[pathname]
  try {
    if (own !== undefined) return await own(exchange)
    const route = routes[`${exchange.method} ${pathname}`]
    if (route !== undefined) return await route(exchange, deps, searchParams)
  } catch (error) {
    if (error instanceof InvalidFaultError) return json({ error: error.message }, 400)
    throw error
  }
  return json({ error: `no control route ${exchange.method} ${pathname}` }, 404)
}
