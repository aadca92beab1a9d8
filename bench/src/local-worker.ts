import { createClient } from '@libsql/client/web'
import { Redis } from '@upstash/redis'

type Env = {
  readonly LIBSQL_URL: string
  readonly LIBSQL_TOKEN: string
  readonly REDIS_URL: string
  readonly REDIS_TOKEN: string
}

async function readRow(env: Env): Promise<string | null> {
  const client = createClient({ url: env.LIBSQL_URL, authToken: env.LIBSQL_TOKEN })
  const { rows } = await client.execute({ sql: 'SELECT text FROM post WHERE id = ?', args: ['p7'] })
  const text = rows[0]?.['text']
  return typeof text === 'string' ? text : null
}

function readKey(env: Env): Promise<string | null> {
  const redis = new Redis({
    url: env.REDIS_URL,
    token: env.REDIS_TOKEN,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
  })
  return redis.get<string>('p7')
}

/** The Worker that is measured: the same answer without a read, with one row, with one key. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/row':
        return new Response(await readRow(env))
      case '/key':
        return new Response(await readKey(env))
      default:
        return new Response('nothing was read')
    }
  },
}
