import { xxh32 } from '@stoa/kernel'

/** What happened in a run, as a hash of every event in order; with `keep`, the words too. */
export type Trace = {
  add(atMs: number, text: string): void
  /** Two runs of one seed agree in this, or something in them is not under the seed's control. */
  hash(): string
  lines(): readonly string[]
}

export function createTrace(keep: boolean): Trace {
  const lines: string[] = []
  let hash = 0
  return {
    add: (atMs, text) => {
      const line = `${atMs.toFixed(3).padStart(12)} ${text}`
      hash = xxh32(`${hash}|${line}`)
      if (keep) lines.push(line)
    },
    hash: () => hash.toString(16).padStart(8, '0'),
    lines: () => lines,
  }
}
