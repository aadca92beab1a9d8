/** Where the time comes from. Everything that asks the time takes one, so that a test can own it. */
export type Clock = {
  /** Milliseconds since 1970. May stand still, and may go back. */
  now(): number
  /** A signal that aborts when `ms` have passed by this clock; absent means real time. */
  after?(ms: number): AbortSignal
}

/** Real time. In a Worker it stands still between two I/O operations. */
export const systemClock: Clock = { now: () => Date.now() }

/** A clock that moves only when told to. */
export type ManualClock = Required<Clock> & {
  /** Moves by `ms` (negative goes back) and wakes, in order of time, whatever waited for that. */
  advance(ms: number): void
}

/** A {@link ManualClock} that starts at `start`, in milliseconds since 1970. */
export function manualClock(start = 0): ManualClock {
  let time = start
  let waiting: { readonly at: number; readonly wake: () => void }[] = []
  return {
    now: () => time,
    after(ms) {
      const alarm = new AbortController()
      const wake = () => alarm.abort(new DOMException('The time has passed', 'TimeoutError'))
      if (ms <= 0) wake()
      else waiting = [...waiting, { at: time + ms, wake }].toSorted((a, b) => a.at - b.at)
      return alarm.signal
    },
    advance(ms) {
      time += ms
      const due = waiting.filter((alarm) => alarm.at <= time)
      waiting = waiting.filter((alarm) => alarm.at > time)
      for (const alarm of due) alarm.wake()
    },
  }
}

/** A signal that aborts when `ms` have passed by `clock`. Costs one timer, which keeps no process alive. */
export function timeout(ms: number, clock: Clock): AbortSignal {
  return clock.after?.(ms) ?? AbortSignal.timeout(Math.max(0, Math.ceil(ms)))
}

/**
 * Waits until `ms` have passed by `clock`.
 *
 * @throws the reason of `signal` as soon as it aborts.
 */
export async function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const alarm = clock.after?.(ms)
  await new Promise<void>((resolve, reject) => {
    const timer = alarm ? undefined : setTimeout(() => finish(resolve), Math.max(0, ms))
    const onAbort = () => finish(() => reject(signal.reason))
    const onAlarm = () => finish(resolve)
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      settle()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (alarm?.aborted) onAlarm()
    else alarm?.addEventListener('abort', onAlarm, { once: true })
  })
}
