/**
 * Real SQLite in memory as tests use it: the libSQL engine that production runs on, and Node's own, which is several
 * times as fast; both behind the kernel's port of a shard.
 *
 * @module
 */
export { type Engine, type EngineOptions, openEngine } from './engine.ts'
export { faultOf, shardOn } from './shard.ts'
export { type Spoilt, type SpoiltShard, spoiltShardOn } from './spoilt.ts'
