/** SQL shards on the official libSQL client, and typed drizzle queries that go out through them. */
export { type LibsqlOptions, libsqlShard } from './libsql-shard.ts'
export { sqlShardOf } from './sql-shard-of.ts'
export { type DrizzleRouter, drizzleRouter, type KeyedQueries } from './routed.ts'
export { drizzleOn, readBatch, rowsOf, statement, writeBatch } from './drizzle.ts'
