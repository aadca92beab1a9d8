/** How often it is looked whether the parent is still there. */
const lookMs = 250

/**
 * Resolves when this process is to end: at SIGINT or SIGTERM, or when the process that started it is gone, for a shell
 * between the two passes no signal on.
 */
export function untilTold(): Promise<void> {
  const parent = process.ppid
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (process.ppid !== parent) done()
    }, lookMs)
    // Looking is no reason to stay: what was started is.
    timer.unref()
    const done = () => {
      clearInterval(timer)
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, done)
  })
}
