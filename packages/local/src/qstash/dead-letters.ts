import { nextPosition } from './hub.ts'
import type { Hub } from './hub.ts'
import { forgetUnless } from './logbook.ts'
import type { DlqEntry, Message, Response } from './model.ts'
import { dropBody, forgetDlq, saveDlq } from './records.ts'

/** Puts a failed message into the DLQ; the oldest entries give way when it is full. */
export function bury(hub: Hub, message: Message, response: Response): DlqEntry {
  const pos = nextPosition(hub)
  const id = `${Math.floor(pos / 1000)}-${pos % 1000}`
  const entry: DlqEntry = { id, time: hub.now(), message, response }
  message.inDlq = true
  hub.dlq.set(id, entry)
  hub.dlqBytes += sizeOf(entry)
  saveDlq(hub, entry)
  while (hub.dlq.size > hub.limits.dlqEntries || hub.dlqBytes > hub.limits.dlqBytes) {
    const oldest = hub.dlq.values().next().value
    if (oldest === undefined) break
    exhume(hub, oldest)
  }
  return entry
}

/** Takes an entry out of the DLQ. */
export function exhume(hub: Hub, entry: DlqEntry): void {
  if (!hub.dlq.delete(entry.id)) return
  hub.dlqBytes -= sizeOf(entry)
  entry.message.inDlq = false
  forgetDlq(hub, entry.id)
  if (entry.message.envelope.body.length > hub.limits.logBodyBytes) dropBody(hub, entry.message)
  forgetUnless(hub, entry.message)
}

/** Drops what is older than the plan keeps it. */
export function expireDeadLetters(hub: Hub): void {
  const before = hub.now() - hub.limits.dlqRetentionMs
  for (const entry of hub.dlq.values()) {
    if (entry.time >= before) return
    exhume(hub, entry)
  }
}

export function sizeOf(entry: DlqEntry): number {
  return entry.message.envelope.body.length + entry.response.body.length
}
