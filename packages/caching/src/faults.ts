import { Fault } from '@stoa/kernel'

/** The key of a cache entry is longer than the cache takes. Nothing was read or loaded. */
export class CacheKeyTooLongError extends Fault {
  override readonly name = 'CacheKeyTooLongError'
  override readonly code = 'cache_key_too_long'
  override readonly kind = 'invalid_argument'
  readonly sizeBytes: number
  readonly limitBytes: number

  constructor(key: string, sizeBytes: number, limitBytes: number) {
    super(
      `Cannot cache "${key.slice(0, 40)}…": the key has ${sizeBytes} bytes of at most ${limitBytes}`,
    )
    this.sizeBytes = sizeBytes
    this.limitBytes = limitBytes
  }
}

/** What was loaded is larger than the cache takes. No tier holds any of it. */
export class CacheValueTooLargeError extends Fault {
  override readonly name = 'CacheValueTooLargeError'
  override readonly code = 'cache_value_too_large'
  override readonly kind = 'invalid_argument'
  readonly sizeBytes: number
  readonly limitBytes: number

  constructor(key: string, sizeBytes: number, limitBytes: number) {
    super(`Cannot cache "${key}": its value has ${sizeBytes} bytes of at most ${limitBytes}`)
    this.sizeBytes = sizeBytes
    this.limitBytes = limitBytes
  }
}

/** What was loaded would not come back as it was. No tier holds any of it. */
export class UnserialisableValueError extends Fault {
  override readonly name = 'UnserialisableValueError'
  override readonly code = 'cache_value_unserialisable'
  override readonly kind = 'invalid_argument'
  /** Where in the value, such as `$.lines[2].price`. */
  readonly path: string

  constructor(path: string, found: string, options?: ErrorOptions) {
    super(
      `Cannot cache a value with ${found} at ${path}: it would not come back as it was`,
      options,
    )
    this.path = path
  }
}

/** The origin itself answered with a version below the one asked for: it is a replica that lags. */
export class StaleReadError extends Fault {
  override readonly name = 'StaleReadError'
  override readonly code = 'stale_read'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  readonly version: number | undefined
  readonly minVersion: number

  constructor(key: string, version: number | undefined, minVersion: number) {
    super(`Cannot read "${key}" at version ${minVersion}: the origin is at ${version ?? 'none'}`)
    this.version = version
    this.minVersion = minVersion
  }
}

/** As many loads run in this isolate as may, and there is no older value to answer with. */
export class CacheOverloadedError extends Fault {
  override readonly name = 'CacheOverloadedError'
  override readonly code = 'cache_overloaded'
  override readonly kind = 'resource_exhausted'
  override readonly retryable = true
  override readonly retryAfterMs = 1_000

  constructor(loads: number) {
    super(`Cannot load: ${loads} loads are running in this isolate`)
  }
}

/** A key changed under each try to invalidate it. It may hold an old value; invalidate again. */
export class InvalidationContendedError extends Fault {
  override readonly name = 'InvalidationContendedError'
  override readonly code = 'invalidation_contended'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor(key: string) {
    super(`Cannot invalidate "${key}": it changed under every try`)
  }
}
