/** Six requests may wait for headers in a Worker; one stays free for the queue. */
const atOnce = 5

/** Runs `work` on all items, at most five at a time; the first failure is thrown. */
export async function inFives<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += atOnce) {
    await Promise.all(items.slice(start, start + atOnce).map(work))
  }
}
