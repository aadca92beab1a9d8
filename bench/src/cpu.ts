import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks in a second, as Linux counts process time. */
const ticksPerSecond = 100

export type Process = { readonly pid: number; readonly name: string; readonly seconds: number }

/** This process and all it started, with the CPU seconds that each has used. Empty where there is no /proc. */
export function processTree(): readonly Process[] {
  let pids: number[]
  try {
    pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
  const all = pids.flatMap((pid) => statOf(pid))
  const wanted = new Set([process.pid])
  for (let grown = true; grown;) {
    const before = wanted.size
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid)
    grown = wanted.size > before
  }
  return all.filter(({ pid }) => wanted.has(pid))
}

function statOf(pid: number): (Process & { readonly parent: number })[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return [
      { pid, parent: Number(fields[1]), name: nameOf(words), seconds: ticks / ticksPerSecond },
    ]
  } catch {
    // It ended between the listing and the reading.
    return []
  }
}

function nameOf(words: readonly string[]): string {
  const serve = words.findIndex((word) => word.endsWith('serve.ts'))
  if (serve >= 0) return `${words[serve + 1] ?? ''} front`
  const file = (words[0] ?? '').split('/').at(-1) ?? ''
  return file === 'node' ? 'load generator' : file
}
