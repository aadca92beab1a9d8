/**
 * Indexes below `size`: up to `wanted` different ones, or exactly `-wanted` that may repeat when it is negative.
 */
export function drawIndexes(size: number, wanted: number, random: () => number): number[] {
  if (size === 0) return []
  if (wanted < 0) return Array.from({ length: -wanted }, () => Math.floor(random() * size))
  const all = Array.from({ length: size }, (_, at) => at)
  const length = Math.min(wanted, size)
  for (let at = 0; at < length; at++) {
    const other = at + Math.floor(random() * (size - at))
    const held = all[at] ?? at
    all[at] = all[other] ?? other
    all[other] = held
  }
  return all.slice(0, length)
}
