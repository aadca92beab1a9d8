import { type Call, type Clock, sleep } from '@stoa/kernel'

export type Raced<T> = { readonly isLate: false; readonly value: T } | { readonly isLate: true }

/**
 * Waits for `work`, but at most `ms`: the only safe way to wait for what another request began, which may be gone.
 *
 * @throws what `work` throws in time.
 */
export async function race<T>(work: Promise<T>, ms: number, clock: Clock): Promise<Raced<T>> {
  const done = new AbortController()
  const late = sleep(ms, clock, done.signal).then(
    () => ({ isLate: true }) as const,
    () => ({ isLate: true }) as const,
  )
  try {
    return await Promise.race([work.then((value) => ({ isLate: false, value }) as const), late])
  } finally {
    done.abort()
  }
}

/** Waits for `work` no longer than the call lasts: a port that does not heed its signal must not hold a caller up. */
export async function bounded<T>(work: Promise<T>, { signal }: Call): Promise<T> {
  const ended = new AbortController()
  const aborted = new Promise<never>((_resolve, reject) => {
    const onAbort = () => reject(asError(signal.reason))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true, signal: ended.signal })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    ended.abort()
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason), { cause: reason })
}
