import { wordAt } from './utf8.ts'

const shifts = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
]

/** What each of the 64 steps adds, turns by, and reads. */
const constants = Int32Array.from({ length: 64 }, (_, step) =>
  Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32),
)
const turns = Uint8Array.from({ length: 64 }, (_, step) => shifts[step >>> 4]?.[step & 3] ?? 0)
const reads = Uint8Array.from({ length: 64 }, (_, step) => {
  const [factor = 1, offset = 0] =
    [
      [1, 0],
      [5, 1],
      [3, 5],
      [7, 0],
    ][step >>> 4] ?? []
  return (factor * step + offset) & 15
})

/**
 * MD5 of `bytes`, as its four little-endian words, unsigned. For ketama rings, which are made of it: it protects
 * nothing.
 *
 * @see RFC 1321
 */
export function md5(bytes: Uint8Array): Uint32Array {
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  const whole = bytes.length & ~63
  for (let at = 0; at < whole; at += 64) block(state, bytes, at)
  const end = new Uint8Array(bytes.length - whole < 56 ? 64 : 128)
  end.set(bytes.subarray(whole))
  end[bytes.length - whole] = 0x80
  const view = new DataView(end.buffer)
  view.setUint32(end.length - 8, bytes.length << 3, true)
  view.setUint32(end.length - 4, Math.floor(bytes.length / 2 ** 29), true)
  for (let at = 0; at < end.length; at += 64) block(state, end, at)
  return new Uint32Array(state.buffer)
}

function block(state: Int32Array, bytes: Uint8Array, at: number): void {
  let [a = 0, b = 0, c = 0, d = 0] = state
  for (let step = 0; step < 64; step += 1) {
    let chosen = c ^ (b | ~d)
    if (step < 16) chosen = (b & c) | (~b & d)
    else if (step < 32) chosen = (d & b) | (~d & c)
    else if (step < 48) chosen = b ^ c ^ d
    const word = wordAt(bytes, at + 4 * (reads[step] ?? 0))
    const sum = (a + chosen + word + (constants[step] ?? 0)) | 0
    const turn = turns[step] ?? 0
    a = d
    d = c
    c = b
    b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0
  }
  for (const [index, word] of [a, b, c, d].entries())
    state[index] = ((state[index] ?? 0) + word) | 0
}
