import { libsqlShard } from '@stoa/adapters/shard'
import type { SqlShard } from '@stoa/kernel'

export type Where = { readonly name: string; readonly url: string }

/** Clients of databases that take one token. */
export function shardsWith(token: string): (where: Where) => SqlShard {
  return ({ name, url }) => libsqlShard({ name, url, token })
}
