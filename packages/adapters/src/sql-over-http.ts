import { LibsqlError } from '@libsql/client/web'
import type { Rows, SqlValue, Statement } from '@stoa/kernel'

/** A value as it travels: integers as text, because JSON has no 64 bits. */
type WireValue =
  | { readonly type: 'null' }
  | { readonly type: 'integer' | 'text'; readonly value: string }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'blob'; readonly base64: string }

type WireError = { readonly message: string; readonly code?: string | null }

type Answer = {
  readonly results: readonly [
    (
      | { readonly type: 'error'; readonly error: WireError }
      | {
          readonly type: 'ok'
          readonly response: {
            readonly result: {
              readonly cols: readonly { readonly name: string | null }[]
              readonly rows: readonly (readonly WireValue[])[]
            }
          }
        }
    ),
    ...unknown[],
  ]
}

type Connection = {
  /** Of the database's `v2/pipeline`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  send(this: void, url: string, init: RequestInit): Promise<Response>
}

/**
 * One SELECT by Turso's SQL over HTTP, without its client: a read by id is the commonest of all requests, and what the
 * client keeps for streams that go on takes a sixth of its time. One request, which also closes what it opens.
 *
 * @throws LibsqlError as the client does, RangeError for what it does not bind.
 * @see https://docs.turso.tech/sdk/http/reference
 */
export async function readOne(
  { sql, args }: Statement,
  { url, headers, send }: Connection,
): Promise<Rows> {
  const execute = { type: 'execute', stmt: { sql, args: args.map(toWire), want_rows: true } }
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ requests: [execute, { type: 'close' }] }),
  })
  if (!response.ok) throw await refusalIn(response)
  const [first] = answerIn(await response.json())
  if (first.type === 'error') throw asLibsqlError(first.error)
  const { cols, rows } = first.response.result
  return {
    columns: cols.map(({ name }) => name ?? ''),
    rows: rows.map((row) => row.map(fromWire)),
    rowsAffected: 0,
  }
}

const int64 = 64

function toWire(value: SqlValue): WireValue {
  if (value === null) return { type: 'null' }
  if (typeof value === 'string') return { type: 'text', value }
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(int64, value) !== value)
      throw new RangeError('Cannot bind the bigint: it has more than 64 bits')
    return { type: 'integer', value: String(value) }
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`Cannot bind ${value}: it is not finite`)
    const isInteger = Number.isSafeInteger(value) && !Object.is(value, -0)
    return isInteger ? { type: 'integer', value: String(value) } : { type: 'float', value }
  }
  if (!(value instanceof Uint8Array)) throw new TypeError('Cannot bind a value of no SQL type')
  return {
    type: 'blob',
    base64: btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join('')),
  }
}

function fromWire(value: WireValue): SqlValue {
  switch (value.type) {
    case 'null':
      return null
    case 'text':
      return value.value
    case 'float':
      // JSON has no infinity.
      if (typeof value.value !== 'number')
        throw new LibsqlError('The server sent a float that is no number', protocolError)
      return value.value
    case 'integer': {
      const number = Number(value.value)
      return Number.isSafeInteger(number) ? number : BigInt(value.value)
    }
    case 'blob':
      return Uint8Array.from(atob(value.base64), (byte) => byte.charCodeAt(0))
    default:
      throw new LibsqlError('The server sent a value of no known type', protocolError)
  }
}

const protocolError = 'HRANA_PROTO_ERROR'

/** The results in a server's answer. Their shape is the protocol's; whether it speaks it at all shows in the first. */
function answerIn(body: unknown): Answer['results'] {
  const results = (body as Partial<Answer> | null)?.results
  const type = results?.[0]?.type
  if (results === undefined || (type !== 'ok' && type !== 'error'))
    throw new LibsqlError('The server sent no result', protocolError)
  return results
}

function asLibsqlError({ message, code }: WireError): LibsqlError {
  return new LibsqlError(message, code ?? 'UNKNOWN')
}

/** The error that a text says, if it does: a proxy may call JSON what is none. */
function saidIn(text: string): WireError | undefined {
  try {
    const said = JSON.parse(text) as Partial<WireError> | null
    return typeof said?.message === 'string' ? { ...said, message: said.message } : undefined
  } catch {
    return undefined
  }
}

/** How much of a proxy's page an error quotes. */
const quotedLength = 200

/** What an answer without a result says: an error of the server's own, or what a proxy in between thinks. */
async function refusalIn(response: Response): Promise<LibsqlError> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true
  const said = isJson ? saidIn(text) : undefined
  if (said !== undefined) return asLibsqlError(said)
  const quoted = text.trim().slice(0, quotedLength)
  return new LibsqlError(
    `Server returned HTTP status ${response.status}: ${quoted}`,
    'SERVER_ERROR',
  )
}
