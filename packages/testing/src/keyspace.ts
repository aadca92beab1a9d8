import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Router } from '@stoa/sharding'

/** A router of its own over a service's keyspace, for what a test spoils or looks at behind the service's back. */
export function routerOf(keyspace: string, env: Readonly<Record<string, string>>): Router {
  const variable = (name: string) => env[name] ?? ''
  const deployment = {
    META_URL: variable('META_URL'),
    LIBSQL_TOKEN: variable('LIBSQL_TOKEN'),
    QSTASH_URL: variable('QSTASH_URL'),
    QSTASH_TOKEN: variable('QSTASH_TOKEN'),
    PUBLIC_URL: variable('PUBLIC_URL'),
  }
  const hooks = { defer: () => undefined, report: () => undefined }
  return openServiceKeyspace(keyspace, deployment, hooks).router
}
