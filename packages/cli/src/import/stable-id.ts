import { hash } from 'node:crypto'

import { createIds, prefixOfText } from '@stoa/kernel'

/** An id that says no time seems made in the first 2^40 ms since 1970: before 2005, and before every real one. */
const untimedMs = 2 ** 40
const tailCount = 2 ** 30

/** Several texts as one; no two lists give the same. A single text stands for itself. */
export function joined(texts: readonly string[]): string {
  const [only] = texts
  return texts.length === 1 && only !== undefined ? only : JSON.stringify(texts)
}

/**
 * The id that `text` always has: its place, or that of `owner`, and 70 bits of SHA-256 behind it, of which the upper 40
 * give way to `time` in milliseconds. Two texts of one owner meet after some 2^35 of them, with one time after 2^15; the
 * later row is then reported as a conflict.
 */
export function stableId(
  text: string,
  { owner = text, time }: { readonly owner?: string; readonly time?: number | undefined } = {},
): string {
  const digest = hash('sha256', text, 'buffer')
  const made = time ?? digest.readUIntBE(0, 5) % untimedMs
  const tail = digest.readUInt32BE(8) % tailCount
  const ids = createIds({
    clock: { now: () => made },
    random: { uint32: () => tail, bytes: (length) => new Uint8Array(length) },
  })
  return ids.rootAt(prefixOfText(owner))
}
