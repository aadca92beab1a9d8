import { nextPosition } from './hub.ts'
import type { Hub } from './hub.ts'
import type { LogEntry, LogState, Message, Response } from './model.ts'
import { forgetLogUpTo, forgetMessage, saveLog } from './records.ts'

export type LogDetails = {
  readonly error?: string | undefined
  readonly nextDeliveryTime?: number | undefined
  readonly response?: Response | undefined
}

/** Entries are thrown away this many at a time, so that trimming costs little per entry. */
const trimStep = 500

export function note(hub: Hub, message: Message, entry: LogDetails & { state: LogState }): void {
  const pos = nextPosition(hub)
  const response = entry.response && shortened(entry.response, hub.limits.logBodyBytes)
  const made: LogEntry = { ...entry, pos, time: hub.now(), message, response }
  message.lastLog = pos
  hub.log.push(made)
  saveLog(hub, made)
  if (hub.log.length >= hub.limits.logEntries + trimStep) trim(hub)
}

function shortened(response: Response, limit: number): Response {
  if (response.body.length <= limit) return response
  return { ...response, body: Buffer.from(response.body.subarray(0, limit)) }
}

function trim(hub: Hub): void {
  const dropped = hub.log.splice(0, hub.log.length - hub.limits.logEntries)
  const last = dropped.at(-1)
  if (last === undefined) return
  forgetLogUpTo(hub, last.pos)
  for (const { message } of dropped) forgetUnless(hub, message)
}

/** Deletes the row of a message that is done and that neither the log nor the DLQ shows any more. */
export function forgetUnless(hub: Hub, message: Message): void {
  const oldest = hub.log[0]?.pos ?? Number.POSITIVE_INFINITY
  if (message.phase !== 'done' || message.inDlq || message.lastLog >= oldest) return
  forgetMessage(hub, message)
}

/** The index of the first entry at or after `pos`. */
export function logIndex(log: readonly LogEntry[], pos: number): number {
  let low = 0
  let high = log.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((log[middle]?.pos ?? Number.POSITIVE_INFINITY) < pos) low = middle + 1
    else high = middle
  }
  return low
}
