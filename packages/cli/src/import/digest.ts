import { hash } from 'node:crypto'

import type { SqlValue } from '@stoa/kernel'

/**
 * A row's content as text, the same for the same content however it came: 5 and 5.0 are one number, for a column of
 * reals gives back the one for the other.
 */
export function canonical(values: readonly SqlValue[]): string {
  return values.map(spell).join('')
}

function spell(value: SqlValue): string {
  if (value === null) return 'n;'
  if (typeof value === 'string') return `t${value.length}:${value};`
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('hex')};`
  if (typeof value === 'bigint' || Number.isInteger(value)) return `i${BigInt(value)};`
  return `f${value};`
}

/** 64 bits of SHA-256 of a row's content. */
export function digestOf(values: readonly SqlValue[]): bigint {
  return hash('sha256', canonical(values), 'buffer').readBigUInt64LE(0)
}

/** Rows of a slot: how many, and the sum of their digests modulo 2^64, in whatever order they come. */
export type SlotSum = { readonly rows: number; readonly sum: bigint }

/** Adds `more` into `sums`. */
export function addSums(
  sums: Map<number, SlotSum>,
  more: Iterable<readonly [number, SlotSum]>,
): void {
  for (const [slot, { rows, sum }] of more) {
    const known = sums.get(slot)
    sums.set(slot, {
      rows: (known?.rows ?? 0) + rows,
      sum: BigInt.asUintN(64, (known?.sum ?? 0n) + sum),
    })
  }
}
