import { LibsqlError } from '@libsql/client/web'
import { ClientError, openHttp, ResponseError, HttpServerError } from '@libsql/hrana-client'
import type { Rows, Statement } from '@stoa/kernel'

import { fromValue, toArguments } from './libsql-values.ts'

type Exchange = {
  readonly url: string
  readonly token: string | undefined
  exchange(this: void, request: Request): Promise<Response>
}

/**
 * One SELECT through the protocol's own client, which `@libsql/client` wraps: a read by id is the commonest of all
 * requests, and half of what the wrapper costs beside it. One request.
 *
 * @throws LibsqlError as the client does.
 */
export async function readOne(
  { sql, args }: Statement,
  { url, token, exchange }: Exchange,
): Promise<Rows> {
  const client = openHttp(url, token, exchange)
  client.intMode = 'bigint'
  const stream = client.openStream()
  try {
    const asked = stream.query([sql, toArguments(args)])
    // The close travels in the same request.
    stream.closeGracefully()
    const { columnNames, rows } = await asked
    return {
      columns: columnNames.map((name) => name ?? ''),
      rows: rows.map((row) => columnNames.map((_, i) => fromValue(row[i] ?? null))),
      rowsAffected: 0,
    }
  } catch (error) {
    throw error instanceof ClientError ? asLibsqlError(error) : error
  }
}

/** With the code that `@libsql/client` would give it. */
function asLibsqlError(error: ClientError): LibsqlError {
  const code = codeOf(error)
  return new LibsqlError(error.message, code, undefined, undefined, error)
}

function codeOf(error: ClientError): string {
  if (error instanceof ResponseError && error.code !== undefined) return error.code
  return error instanceof HttpServerError ? 'SERVER_ERROR' : 'HRANA_ERROR'
}
