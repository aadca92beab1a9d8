import type { Kind } from '@stoa/counting'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

/** What is reported of anything that can be looked at. */
const metrics = [
  { name: 'views', windowsMs: [hourMs, dayMs], boardMs: dayMs },
  { name: 'shares' },
] as const

/**
 * What is counted of reports. The tables of these kinds are in a migration: a metric may be added at the end, none
 * renamed or taken away. Posts grow without end, so those nobody looks at are packed; a page a slot.
 */
export const kinds = [
  { name: 'member', mode: 'eventual', metrics, uniques: ['viewers'] },
  { name: 'product', mode: 'eventual', metrics, uniques: ['viewers'] },
  { name: 'post', mode: 'eventual', metrics, uniques: ['viewers'], pagesPerBucket: 64 },
] as const satisfies readonly Kind[]

export type KindName = (typeof kinds)[number]['name']
