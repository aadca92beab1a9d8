import type { Operation } from './messages.ts'

/** A route of sqld's HTTP API that reaches a database. */
export type DatabaseRoute = { readonly operation: Operation; readonly version: 1 | 2 | 3 }

/** The database every path without a name is about. */
export const defaultDatabase = 'default'

/** What a database may be called: it becomes a file name, a path segment and a DNS label. */
export const databaseName = /^[a-z0-9][a-z0-9-]{0,62}$/

const databaseRoutes: Readonly<Record<string, DatabaseRoute>> = {
  '/': { operation: 'statements', version: 1 },
  '/v1/execute': { operation: 'execute', version: 1 },
  '/v1/batch': { operation: 'batch', version: 1 },
  '/v2/pipeline': { operation: 'pipeline', version: 2 },
  '/v3/pipeline': { operation: 'pipeline', version: 3 },
  '/v3/cursor': { operation: 'cursor', version: 3 },
}

/** Pages that say who answers; the same for every database. */
const pages: Readonly<Record<string, string>> = {
  '/health': '',
  '/version': 'stoa-local libsql 0.5.29\n',
  '/v1': 'This is sqld HTTP API v1',
  '/v2': 'Hello, this is HTTP API v2 (Hrana over HTTP)',
  '/v3': 'Hello, this is HTTP API v2 (Hrana over HTTP)',
}

/** Where a request goes: a database (known or not) and the path within it. */
export type Destination = { readonly database: string; readonly path: string }

/**
 * Reads the database's name out of the path (`/<name>/v2/pipeline`, sqld's `/dev/<name>/v2/pipeline`) or the host
 * (`<name>.localhost`), and takes `default` when neither has one. A path that is a route by itself names no database.
 */
export function destinationOf(target: string, host: string): Destination {
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  if (isKnown(path)) return { database: databaseOfHost(host), path }
  const named = path.startsWith('/dev/') && path.indexOf('/', 5) > 0 ? path.slice(4) : path
  const slash = named.indexOf('/', 1)
  const database = slash < 0 ? named.slice(1) : named.slice(1, slash)
  return { database, path: slash < 0 ? '/' : named.slice(slash) }
}

function isKnown(path: string): boolean {
  return Object.hasOwn(databaseRoutes, path) || Object.hasOwn(pages, path) || isProtobuf(path)
}

/** Hrana's Protobuf encoding, which this server does not speak: a 404 tells a client to use JSON. */
function isProtobuf(path: string): boolean {
  return path === '/v3-protobuf' || path.startsWith('/v3-protobuf/')
}

function databaseOfHost(host: string): string {
  const name = host.replace(/:\d+$/, '')
  const dot = name.indexOf('.')
  if (dot < 0 || name.startsWith('[') || /^[\d.]+$/.test(name)) return defaultDatabase
  return name.slice(0, dot).toLowerCase()
}

/** The database route behind a path. */
export function databaseRouteOf(path: string): DatabaseRoute | undefined {
  return Object.hasOwn(databaseRoutes, path) ? databaseRoutes[path] : undefined
}

/** The page behind a path. */
export function pageOf(path: string): string | undefined {
  return Object.hasOwn(pages, path) ? pages[path] : undefined
}
