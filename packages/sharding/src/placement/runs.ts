/** Slots `from` to `to`, both included, that have one value. */
export type Run<T> = { readonly from: number; readonly to: number; readonly value: T }

/** `values`, one for each slot from 0 on, as runs of equal neighbours, ascending. */
export function runsOf<T>(values: readonly T[]): readonly Run<T>[] {
  const runs: Run<T>[] = []
  let from = 0
  for (const [slot, value] of values.entries()) {
    if (slot + 1 < values.length && values[slot + 1] === value) continue
    runs.push({ from, to: slot, value })
    from = slot + 1
  }
  return runs
}

/**
 * `count` slots of `runs`: whole runs, the shortest first, while they fit, then a piece of one more. `beside` says
 * whether a slot next to a run goes the same way: the piece is cut at that end, so that fewer new ranges begin.
 */
export function cut<T>(
  runs: readonly Run<T>[],
  count: number,
  beside: (slot: number) => boolean,
): readonly Run<T>[] {
  const ascending = runs.toSorted((one, other) => lengthOf(one) - lengthOf(other))
  const pieces: Run<T>[] = []
  let left = count
  for (const run of ascending) {
    if (lengthOf(run) > left) break
    pieces.push(run)
    left -= lengthOf(run)
  }
  const whole = ascending.slice(pieces.length)
  const longest = whole.at(-1)
  if (left === 0 || longest === undefined) return pieces
  const headed = whole.find(({ from }) => beside(from - 1))
  if (headed !== undefined) return [...pieces, { ...headed, to: headed.from + left - 1 }]
  const tailed = whole.find(({ to }) => beside(to + 1)) ?? longest
  return [...pieces, { ...tailed, from: tailed.to - left + 1 }]
}

function lengthOf({ from, to }: Run<unknown>): number {
  return to - from + 1
}
