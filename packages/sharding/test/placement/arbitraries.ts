import fc from 'fast-check'

/** One to twelve nodes of different names and weights. */
export const weightedNodes = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z0-9]{1,8}$/),
    weight: fc.double({ min: 0.1, max: 10, noNaN: true }),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 12 },
)

/** `count` nodes of one weight. */
export function namedNodes(count: number): readonly { readonly name: string }[] {
  return Array.from({ length: count }, (_, index) => ({ name: `node-${index}` }))
}

/** How many of `keys` each node gets. */
export function loads<K>(
  keys: Iterable<K>,
  locate: (key: K) => { readonly name: string },
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) {
    const { name } = locate(key)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

export const users: readonly string[] = Array.from(
  { length: 20_000 },
  (_, index) => `user:${index}`,
)
