const encoder = new TextEncoder()
/** Most keys are shorter than this, and are then encoded without an allocation. */
const scratch = new Uint8Array(1024)

/** The UTF-8 bytes of `text`, to be used before the next call. A lone surrogate counts as U+FFFD. */
export function utf8(text: string): Uint8Array {
  // UTF-8 needs at most three bytes for each UTF-16 unit.
  if (text.length * 3 > scratch.length) return encoder.encode(text)
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written)
}

/** The four bytes at `at` as a little-endian word, signed; what is beyond the end counts as zero. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}
