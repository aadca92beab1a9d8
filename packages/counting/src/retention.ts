/** How long things are kept, in milliseconds. */

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** How long it is known which flushes were applied. */
export const appliedKeptMs = 48 * hourMs
/**
 * A flush that is older than this is not applied: the rows that would tell whether it was may be gone soon. Half of how
 * long they are kept, so that clocks may differ.
 */
export const acceptMs = appliedKeptMs / 2

/** No flush that is still taken may bring back a part of what was forgotten. */
const leastKeptMs = appliedKeptMs

/** A quarter: somebody looks for what happened at which hour, or who was here, while it is news. */
export const keptMsDefault = 90 * dayMs
/** Two years of windows of a day or more: this month beside the same one of last year. */
const longKeptMsDefault = 730 * dayMs
/** What people make is looked at for days, and hardly ever after a month. */
export const freezeAfterMsDefault = 30 * dayMs

/** How long a window is kept from its end where nothing is declared. */
export function windowKeptMs(widthMs: number): number {
  return widthMs < dayMs ? keptMsDefault : longKeptMsDefault
}

/** `keptMs`, checked. @throws RangeError when it is less than two days. */
export function checkKept(of: string, keptMs: number | undefined): void {
  if (keptMs !== undefined && !(Number.isSafeInteger(keptMs) && keptMs >= leastKeptMs))
    throw new RangeError(`Cannot forget "${of}" after ${keptMs} ms: a flush may come a day late`)
}
