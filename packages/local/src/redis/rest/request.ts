import type { Exchange } from '../../control/exchange.ts'
import { bytesOf, bytesOfBuffer, type Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'

/** Where a request goes: a named database, and the rest of the target there. */
export type Address = {
  readonly database: string
  readonly path: string
  readonly query: string
}

export const defaultDatabase = 'default'

const databasePath = /^\/db\/([^/?]*)(?=[/?]|$)/
const databaseHost = /^([a-z0-9-]+)\.localhost(?::\d+)?$/i

/** `/db/<name>/…`, or the host `<name>.localhost`, or the database called `default`. */
export function addressOf({ target, headers }: Pick<Exchange, 'target' | 'headers'>): Address {
  const byPath = databasePath.exec(target)
  const byHost = byPath ? null : databaseHost.exec(headers['host'] ?? '')
  const local = byPath ? target.slice(byPath[0].length) : target
  const question = local.indexOf('?')
  const path = question < 0 ? local : local.slice(0, question)
  return {
    database: byPath?.[1] ?? byHost?.[1]?.toLowerCase() ?? defaultDatabase,
    path: path === '' ? '/' : path,
    query: question < 0 ? '' : local.slice(question + 1),
  }
}

/** The percent-decoded bytes of a part of the target. */
function decoded(part: string): Bytes {
  if (!part.includes('%')) return part
  return part.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

type Parameter = readonly [name: Bytes, value: Bytes]

function parametersOf(query: string): readonly Parameter[] {
  if (query === '') return []
  return query
    .split('&')
    .filter(Boolean)
    .map((part) => {
      const equals = part.indexOf('=')
      const name = equals < 0 ? part : part.slice(0, equals)
      const value = equals < 0 ? '' : part.slice(equals + 1)
      return [decoded(name.replaceAll('+', ' ')), decoded(value.replaceAll('+', ' '))]
    })
}

const tokenParameter = '_token'
const bearer = /^Bearer\s+(.+)$/i

/** The token of the header, or the one of the address. */
export function tokenOf({ headers }: Pick<Exchange, 'headers'>, query: string): string | undefined {
  const header = bearer.exec(headers['authorization'] ?? '')?.[1]?.trim()
  return header ?? parametersOf(query).find(([name]) => name === tokenParameter)?.[1]
}

/** The parts of the path after the first `/`. */
export function segmentsOf(path: string): readonly Bytes[] {
  return path === '/' ? [] : path.slice(1).split('/').map(decoded)
}

/** `/set/key?EX=10` with a body: the path, then the body as it is, then the parameters. */
export function pathCommand({ path, query }: Address, body: Uint8Array): Argv {
  const options = parametersOf(query)
    .filter(([name]) => name !== tokenParameter)
    .flatMap(([name, value]) => (value === '' ? [name] : [name, value]))
  return [...segmentsOf(path), ...(body.length > 0 ? [bytesOfBuffer(body)] : []), ...options]
}

/** The body is not the JSON that the endpoint takes. */
export class BadBodyError extends Error {
  override readonly name = 'BadBodyError'
}

/** The command of `POST /`. @throws BadBodyError */
export function bodyCommand(body: Uint8Array): Argv {
  return commandOf(parse(body, 'command'), 'command')
}

/** The commands of `/pipeline` and `/multi-exec`. @throws BadBodyError */
export function bodyCommands(body: Uint8Array, what: 'pipeline' | 'transaction'): readonly Argv[] {
  const rows = parse(body, what)
  if (!Array.isArray(rows)) throw new BadBodyError(`ERR failed to parse ${what} request`)
  if (rows.length === 0) throw new BadBodyError(`ERR empty ${what} request`)
  return rows.map((row: unknown) => commandOf(row, what))
}

function parse(body: Uint8Array, what: string): unknown {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  try {
    return unusualNumber.test(text) ? JSON.parse(text, keepSpelling) : JSON.parse(text)
  } catch (cause) {
    throw new BadBodyError(`ERR failed to parse ${what} request`, { cause })
  }
}

/** Numbers that JavaScript could spell otherwise than they were sent: long, fractional or with an exponent. */
const unusualNumber = /\d{16}|\d[.eE]/

function keepSpelling(
  ...[, value, context]: readonly [string, unknown, { source?: string }?]
): unknown {
  return typeof value === 'number' ? (context?.source ?? value) : value
}

function commandOf(row: unknown, what: string): Argv {
  if (!Array.isArray(row)) throw new BadBodyError(`ERR failed to parse ${what} request`)
  if (row.length === 0) throw new BadBodyError('ERR empty command')
  return row.map((word: unknown) => {
    if (typeof word === 'string') return bytesOf(word)
    if (typeof word === 'number' || typeof word === 'boolean') return String(word)
    throw new BadBodyError('ERR unsupported argument type in the command')
  })
}
