import { type Call, isFault, ShardFencedError, sleep, systemClock } from '@stoa/kernel'

/** A database that restarts is back within a few seconds; one that is away for longer stops the import. */
const triesMax = 9
const firstWaitMs = 50
const waitMsMax = 5_000

/** Whether the same call may succeed when it is made again. */
function mayPass(error: unknown): boolean {
  return isFault(error) && error.retryable && !(error instanceof ShardFencedError)
}

/** Waits before the `tries`-th repetition: twice as long each time, with jitter. */
export function backOff(tries: number, call: Call): Promise<void> {
  const ms = Math.min(waitMsMax, firstWaitMs * 2 ** tries)
  return sleep(ms * (0.5 + Math.random() / 2), systemClock, call.signal)
}

/** Makes the call again while its failure may pass, for some 20 seconds. Only for what is safe to repeat. */
export async function patiently<T>(work: () => Promise<T>, call: Call): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (!mayPass(error) || tries === triesMax) throw error
      await backOff(tries, call)
    }
  }
}
