/** Whether somebody has pressed Ctrl-C. */
export type Stopper = {
  readonly isStopped: boolean
  /** For what can be given up at any moment. */
  readonly signal: AbortSignal
  close(): void
}

/**
 * Hears the first SIGINT or SIGTERM, and lets what has begun come to a point where it can rest. A second one ends the
 * process at once.
 */
export function listenForStop(): Stopper {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return {
    get isStopped() {
      return controller.signal.aborted
    },
    signal: controller.signal,
    close: () => {
      process.removeListener('SIGINT', stop)
      process.removeListener('SIGTERM', stop)
    },
  }
}
