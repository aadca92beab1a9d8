import type { Limits } from './limits.ts'
import { Line } from './line.ts'
import type { Message } from './model.ts'
import { Refusal } from './refusal.ts'

/**
 * A FIFO queue. A slot is taken when a message leaves the line and is freed when that message and the
 * callbacks of its last attempt are done, retries included.
 */
export type Queue = {
  readonly name: string
  readonly createdAt: number
  updatedAt: number
  parallelism: number
  paused: boolean
  readonly line: Line
  /** Message id → what must still finish before its slot is free. */
  readonly slots: Map<string, Set<string>>
  /** Messages accepted and not yet done. */
  readonly members: Set<Message>
}

export type QueueSettings = {
  readonly name: string
  readonly parallelism?: number | undefined
  readonly paused?: boolean | undefined
}

export const nameRule = /^[A-Za-z0-9._-]+$/

export function newQueue(settings: QueueSettings, now: number): Queue {
  return {
    name: settings.name,
    createdAt: now,
    updatedAt: now,
    parallelism: settings.parallelism ?? 1,
    paused: settings.paused ?? false,
    line: new Line('lined'),
    slots: new Map(),
    members: new Set(),
  }
}

/** @throws Refusal 400 on a bad name. */
export function checkName(name: string, what: string): void {
  if (!nameRule.test(name)) {
    throw new Refusal(
      400,
      `invalid ${what} "${name}": only alphanumeric characters, hyphens, periods and underscores`,
    )
  }
}

/** @throws Refusal 400 when it is no positive integer, 412 above the plan's limit. */
export function checkParallelism(parallelism: unknown, limits: Limits): number {
  if (typeof parallelism !== 'number' || !Number.isInteger(parallelism) || parallelism < 1) {
    throw new Refusal(400, 'invalid parallelism: must be an integer above 0')
  }
  if (parallelism > limits.queueParallelism) {
    throw new Refusal(412, `parallelism exceeds the limit of ${limits.queueParallelism} per queue`)
  }
  return parallelism
}

/** The next message that may leave the line; its slot is taken. */
export function takeTurn(queue: Queue): Message | undefined {
  if (queue.paused || queue.slots.size >= queue.parallelism) return undefined
  const message = queue.line.shift()
  if (message === undefined) return undefined
  holdSlot(queue, message)
  return message
}

export function holdSlot(queue: Queue, message: Message): void {
  message.holdsSlot = true
  queue.slots.set(message.id, new Set([message.id]))
}

/** `finished` is done: frees the slot of `owner` when nothing else keeps it. */
export function letGo(queue: Queue, owner: string, finished: string): void {
  const keepers = queue.slots.get(owner)
  if (keepers === undefined) return
  keepers.delete(finished)
  if (keepers.size === 0) queue.slots.delete(owner)
}
