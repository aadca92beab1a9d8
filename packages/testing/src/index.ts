/** The real local platform for tests: `startPlatform`, and `./global-setup` for a worker's vitest run. */
export {
  type Platform,
  type PlatformOptions,
  startPlatform,
  testTokens,
  workerEnv,
} from './platform.ts'
export { startSystem, type System, type SystemOptions } from './system.ts'
