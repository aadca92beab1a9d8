import type { Clock } from '@stoa/kernel'

/** Writes remembered; beyond it every key counts as lately written. */
const writesMax = 1_000

/** What this isolate invalidated lately: loads that began before must not be kept, and lagging readers not asked. */
export type OwnWrites = {
  note(key: string): void
  /** A write that may have touched any key. */
  noteAll(): void
  /** Whether `key` was written within the time that a reader may lag. */
  isRecent(key: string): boolean
  /** A mark for now, to be given to {@link OwnWrites.isSince}. */
  mark(): number
  /** Whether `key` was written since `mark`. */
  isSince(key: string, mark: number): boolean
}

export function createOwnWrites(lagMs: number, clock: Clock): OwnWrites {
  const writes = new Map<string, { readonly order: number; readonly until: number }>()
  let order = 0
  /** What was written to any key: the last tag, or the last write that was forgotten. */
  let floor = { order: 0, until: 0 }
  return {
    note: (key) => {
      order += 1
      writes.delete(key)
      writes.set(key, { order, until: clock.now() + lagMs })
      if (writes.size <= writesMax) return
      const oldest = writes.entries().next()
      if (oldest.done === true) return
      floor = oldest.value[1]
      writes.delete(oldest.value[0])
    },
    noteAll: () => {
      order += 1
      floor = { order, until: clock.now() + lagMs }
    },
    isRecent: (key) => Math.max(writes.get(key)?.until ?? 0, floor.until) > clock.now(),
    mark: () => order,
    isSince: (key, mark) => Math.max(writes.get(key)?.order ?? 0, floor.order) > mark,
  }
}
