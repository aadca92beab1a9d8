import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { z } from 'zod'

import type { Phase } from './import.ts'

const state = z.object({
  done: z.record(z.string(), z.array(z.number())),
  ids: z.record(z.string(), z.string()),
})

/** Which batches of a load were taken whole, kept in a file, so that a run that was killed goes on where it was. */
export type Checkpoint = {
  readonly isDone: (phase: Phase, first: number) => boolean
  readonly markDone: (
    phase: Phase,
    first: number,
    ids: Readonly<Record<string, string>>,
  ) => Promise<void>
  /** Takes ids of a batch that is not done; kept in the file with the next batch that is. */
  readonly learn: (ids: Readonly<Record<string, string>>) => void
  readonly ids: ReadonlyMap<string, string>
  /** How many batches an earlier run left done. */
  readonly resumed: number
}

/** The file for one input into one deployment: another file, address or import token begins anew. */
export function checkpointFile(folder: string, key: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)
  return path.join(folder, `load-${digest}.json`)
}

async function readState(file: string): Promise<z.output<typeof state>> {
  try {
    return state.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    // Absent or torn: then everything is sent again, which changes nothing.
    return { done: {}, ids: {} }
  }
}

/** Opens the checkpoint in `file`; `undefined` keeps one in memory alone. */
export async function openCheckpoint(file: string | undefined): Promise<Checkpoint> {
  const kept = file === undefined ? { done: {}, ids: {} } : await readState(file)
  const done = new Map(Object.entries(kept.done).map(([phase, firsts]) => [phase, new Set(firsts)]))
  const ids = new Map(Object.entries(kept.ids))
  let writing = Promise.resolve()
  const save = async (): Promise<void> => {
    if (file === undefined) return
    const text = JSON.stringify({
      done: Object.fromEntries([...done].map(([phase, firsts]) => [phase, [...firsts]])),
      ids: Object.fromEntries(ids),
    })
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  const learn: Checkpoint['learn'] = (more) => {
    for (const [handle, id] of Object.entries(more)) ids.set(handle, id)
  }
  return {
    ids,
    learn,
    resumed: [...done.values()].reduce((sum, firsts) => sum + firsts.size, 0),
    isDone: (phase, first) => done.get(phase)?.has(first) ?? false,
    markDone: (phase, first, more) => {
      const firsts = done.get(phase) ?? new Set()
      done.set(phase, firsts.add(first))
      learn(more)
      writing = writing.then(save)
      return writing
    },
  }
}
