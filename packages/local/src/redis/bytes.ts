/**
 * A byte string: one UTF-16 unit per byte, U+0000 to U+00FF.
 *
 * Redis keys and values are bytes, not text. A latin1 string compares, hashes, slices and appends as its bytes
 * do, in native code, and costs one byte a character in V8: a `Buffer` does none of these as a `Map` key.
 */
export type Bytes = string

const printable = /^[ -~]*$/

/** The UTF-8 bytes of `text`. */
export function bytesOf(text: string): Bytes {
  return printable.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** `bytes` read as UTF-8; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Bytes): string {
  return printable.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

export function base64Of(bytes: Bytes): string {
  return Buffer.from(bytes, 'latin1').toString('base64')
}

export function bytesOfBuffer(buffer: Uint8Array): Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1')
}
