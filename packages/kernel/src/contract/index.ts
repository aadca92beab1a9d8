/**
 * What each port promises, as suites that every adapter runs: a vitest file that calls one of these with
 * a way to make the port is the whole test. Only for tests: this is the one place that knows vitest.
 */
export { sqlContract, type SqlFixture } from './sql.ts'
export { redisContract, type RedisFixture } from './redis.ts'
export {
  queueContract,
  type QueueFixture,
  queueVerifierContract,
  type QueueVerifierFixture,
} from './queue.ts'
export { echo, fetcherContract, type FetcherFixture } from './fetcher.ts'
