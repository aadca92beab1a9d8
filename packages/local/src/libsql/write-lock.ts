import { CancelledError, transactionTimeout } from './errors.ts'
import type { StatementError } from './errors.ts'

/** Who can hold the write lock: a connection, as far as the lock cares. */
export type LockHolder = { rollback(): void; wasRolledBack: boolean }

/** How a caller that has gone takes its request back. */
export type Cancellation = { isCancelled: boolean; onCancel: (() => void) | undefined }

type Waiter = {
  readonly holder: LockHolder
  readonly grant: () => void
}

/**
 * The write lock of one database, held by a transaction that stays open between two requests.
 *
 * First come, first served. A holder may keep it for ever as long as nobody waits; once `timeoutMs` have passed since
 * it took the lock, the first waiter's patience ends its transaction: rolled back, and told so at its next statement.
 * @see libsql-server/src/connection/connection_manager.rs, `acquire`
 */
export class WriteLock {
  readonly #timeoutMs: number
  readonly #waiters: Waiter[] = []
  #holder: LockHolder | undefined
  #sinceMs = 0
  #alarm: NodeJS.Timeout | undefined

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Whether `holder` may write at once. */
  isFreeFor(holder: LockHolder): boolean {
    return this.#holder === undefined || this.#holder === holder
  }

  /** `holder` has begun to write in a transaction that goes on. */
  take(holder: LockHolder): void {
    if (this.#holder === holder) return
    this.#holder = holder
    this.#sinceMs = performance.now()
  }

  /** Resolves when it is `holder`'s turn, with the lock reserved for it. @throws CancelledError when taken back. */
  wait(holder: LockHolder, cancellation: Cancellation): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { holder, grant: resolve }
      const cancel = (): void => {
        this.#drop(waiter)
        reject(new CancelledError('The caller has gone'))
      }
      if (cancellation.isCancelled) {
        cancel()
        return
      }
      cancellation.onCancel = cancel
      this.#waiters.push(waiter)
      this.#setAlarm()
    })
  }

  /** `holder`'s transaction is over, or never kept the lock. */
  release(holder: LockHolder): void {
    if (this.#holder !== holder) return
    clearTimeout(this.#alarm)
    this.#alarm = undefined
    const next = this.#waiters.shift()
    this.#holder = next?.holder
    this.#sinceMs = performance.now()
    next?.grant()
    this.#setAlarm()
  }

  #drop(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter)
    if (at >= 0) this.#waiters.splice(at, 1)
  }

  #setAlarm(): void {
    if (this.#alarm !== undefined || this.#waiters.length === 0) return
    const leftMs = this.#sinceMs + this.#timeoutMs - performance.now()
    this.#alarm = setTimeout(() => this.#steal(), Math.max(0, leftMs))
  }

  #steal(): void {
    this.#alarm = undefined
    const loser = this.#holder
    if (loser === undefined || this.#waiters.length === 0) return
    loser.rollback()
    loser.wasRolledBack = true
    this.release(loser)
  }
}

/** The error a program gets for each of its steps after its transaction was taken away. Told once. */
export function takeTimeout(holder: LockHolder): StatementError | undefined {
  if (!holder.wasRolledBack) return undefined
  holder.wasRolledBack = false
  return transactionTimeout()
}
