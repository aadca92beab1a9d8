/**
 * The Upstash Redis REST API on loopback: the official client works against it unchanged, over a private
 * `redis-server` or `valkey-server` when there is one, else over an engine in this process.
 */
export { createRedis, type Redis, type RedisOptions } from './create-redis.ts'
export { FolderTakenError } from './folder-lock.ts'
