/** SQL shards on the official libSQL client, without drizzle: half a second less to load in a process of its own. */
export { type LibsqlOptions, libsqlShard } from './libsql-shard.ts'
export { sqlShardOf } from './sql-shard-of.ts'
