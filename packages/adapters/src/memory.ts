/** Ports that keep everything in the isolate's own memory: for unit tests, and to read what was sent. */
export { memoryFetcher } from './memory-fetcher.ts'
export { memoryQueue, type MemoryQueue, type TakenMessage } from './memory-queue.ts'
export { memoryRedis } from './memory-redis.ts'
