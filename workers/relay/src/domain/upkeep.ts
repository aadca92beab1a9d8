import { type Call, type Clock, within } from '@stoa/kernel'

/** A service ends its part before the next tick begins. */
const upkeepMsMax = 30_000

/** What a service does each minute, whatever nobody asked of it: go on with what was left half-way. */
export type Upkeep = (call: Call) => Promise<unknown>

export type UpkeepDeps = {
  readonly clock: Clock
  readonly report: (error: unknown, requestId: string) => void
}

/** Has every service do its part, all at once. One that fails is reported and stops no other. */
export async function runUpkeep(
  upkeeps: readonly Upkeep[],
  { clock, report }: UpkeepDeps,
  call: Call,
): Promise<void> {
  const run = async (upkeep: Upkeep): Promise<void> => {
    try {
      await upkeep(within(call, upkeepMsMax, clock))
    } catch (error) {
      report(error, call.requestId)
    }
  }
  await Promise.all(upkeeps.map(run))
}
