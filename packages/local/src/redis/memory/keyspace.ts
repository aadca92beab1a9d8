import type { Bytes } from '../bytes.ts'
import { wrongType } from './errors.ts'
import type { Type, Value } from './values.ts'

type Slot = { readonly serial: number; value: Value; deadline: number | undefined }

/** The time every command of one run sees, in milliseconds since 1970. Zero while the log is replayed: then nothing expires. */
export type Clock = { now: number }

/**
 * One database: keys, their values and their deadlines.
 *
 * A key whose deadline has passed is gone the moment it is looked at; `onExpired` hears of it first, so that the
 * log says `DEL` before it says what was done next.
 */
export class Keyspace {
  readonly #slots = new Map<Bytes, Slot>()
  /** Keys with a deadline, so that a sweep need not look at the others. */
  readonly #volatile = new Set<Bytes>()
  /** Serials and keys in order of creation, `undefined` where deleted: what a SCAN cursor points into. */
  #order: { readonly serial: number; key: Bytes | undefined }[] = []
  #nextSerial = 1
  #live = 0
  readonly #clock: Clock
  readonly #onExpired: (key: Bytes) => void

  constructor(clock: Clock, onExpired: (key: Bytes) => void) {
    this.#clock = clock
    this.#onExpired = onExpired
  }

  get(key: Bytes): Value | undefined {
    return this.#slot(key)?.value
  }

  has(key: Bytes): boolean {
    return this.#slot(key) !== undefined
  }

  /** @throws ReplyError WRONGTYPE when the key holds another type. */
  find<T extends Type>(key: Bytes, type: T): Extract<Value, { type: T }> | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    if (!isOf(value, type)) throw wrongType()
    return value
  }

  /** Puts `value` at `key`; a deadline that was there stays. */
  set(key: Bytes, value: Value): void {
    const slot = this.#slot(key)
    if (slot) {
      slot.value = value
      return
    }
    const serial = this.#nextSerial++
    this.#slots.set(key, { serial, value, deadline: undefined })
    this.#order.push({ serial, key })
    this.#live++
  }

  delete(key: Bytes): boolean {
    return this.#slot(key) !== undefined && this.#remove(key)
  }

  deadline(key: Bytes): number | undefined {
    return this.#slot(key)?.deadline
  }

  setDeadline(key: Bytes, deadline: number | undefined): void {
    const slot = this.#slot(key)
    if (!slot) return
    slot.deadline = deadline
    if (deadline === undefined) this.#volatile.delete(key)
    else this.#volatile.add(key)
  }

  /** Looks at up to `limit` keys with a deadline, oldest looked-at first. */
  sweep(limit: number): void {
    let left = limit
    for (const key of this.#volatile) {
      if (left-- <= 0) return
      this.#volatile.delete(key)
      if (this.#slot(key)) this.#volatile.add(key)
    }
  }

  /** All living keys; expired ones are dropped first. */
  keys(): Bytes[] {
    this.sweep(this.#volatile.size)
    return [...this.#slots.keys()]
  }

  get size(): number {
    this.sweep(this.#volatile.size)
    return this.#slots.size
  }

  random(random: () => number): Bytes | undefined {
    const keys = this.keys()
    return keys[Math.floor(random() * keys.length)]
  }

  /**
   * Up to `limit` keys created after the one `cursor` stands for, and the cursor to go on with, 0 at the end.
   *
   * The cursor is a creation number, so asking twice with the same one answers the same, and a key that lives
   * through the whole scan is seen.
   */
  scan(cursor: number, limit: number): { readonly cursor: number; readonly keys: Bytes[] } {
    const keys: Bytes[] = []
    for (let at = this.#after(cursor); at < this.#order.length; at++) {
      const entry = this.#order[at]
      if (entry?.key === undefined || !this.has(entry.key)) continue
      keys.push(entry.key)
      if (keys.length >= limit) return { cursor: entry.serial, keys }
    }
    return { cursor: 0, keys }
  }

  clear(): void {
    this.#slots.clear()
    this.#volatile.clear()
    this.#order = []
    this.#live = 0
  }

  #slot(key: Bytes): Slot | undefined {
    const slot = this.#slots.get(key)
    if (slot?.deadline === undefined || slot.deadline > this.#clock.now) return slot
    this.#remove(key)
    this.#onExpired(key)
    return undefined
  }

  #remove(key: Bytes): boolean {
    const slot = this.#slots.get(key)
    if (!slot) return false
    this.#slots.delete(key)
    this.#volatile.delete(key)
    const entry = this.#order[this.#after(slot.serial - 1)]
    if (entry) entry.key = undefined
    this.#live--
    if (this.#order.length > 64 && this.#order.length > 2 * this.#live) {
      this.#order = this.#order.filter((each) => each.key !== undefined)
    }
    return true
  }

  #after(serial: number): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#order[middle]?.serial ?? 0) > serial) high = middle
      else low = middle + 1
    }
    return low
  }
}

function isOf<T extends Type>(value: Value, type: T): value is Extract<Value, { type: T }> {
  return value.type === type
}
