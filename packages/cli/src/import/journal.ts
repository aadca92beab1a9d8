import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'

import { z } from 'zod'

import type { BadLine } from './options.ts'
import { sumOf } from './row-writer.ts'

const entry = z.object({
  batch: z.string(),
  rows: z.number(),
  inserted: z.number(),
  existing: z.number(),
  rejected: z.array(z.object({ line: z.number(), reason: z.string(), text: z.string() })),
  shards: z.record(z.string(), z.number()),
})

/** What became of a batch. */
export type Entry = {
  readonly batch: string
  readonly rows: number
  readonly inserted: number
  readonly existing: number
  readonly rejected: readonly BadLine[]
  readonly shards: Readonly<Record<string, number>>
}

/** How many refused lines a report shows. */
const shownMax = 10

/** What became of all batches so far. */
export class Tally {
  rows = 0
  inserted = 0
  existing = 0
  rejected = 0
  shards: Readonly<Record<string, number>> = {}
  firstErrors: readonly BadLine[] = []

  add({ rows, inserted, existing, rejected, shards }: Entry): void {
    this.rows += rows
    this.inserted += inserted
    this.existing += existing
    this.rejected += rejected.length
    this.shards = sumOf([this.shards, shards])
    this.firstErrors = [...this.firstErrors, ...rejected]
      .toSorted((one, other) => one.line - other.line)
      .slice(0, shownMax)
  }
}

/** Reads one line; a torn one is what a killed run was writing, and its batch is run again. */
function parsed(line: string): Entry | undefined {
  try {
    return entry.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}

async function* entriesOf(file: string): AsyncGenerator<Entry> {
  const seen = new Set<string>()
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const found = parsed(line)
      if (found === undefined || seen.has(found.batch)) continue
      seen.add(found.batch)
      yield found
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

/**
 * The batches of one import that are done, a line each, appended after the shards have committed: a batch that was
 * committed and is not here is run again, and finds its records in the shards.
 */
export class Journal {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #refused = new Map<string, readonly number[]>()
  readonly #done = new Set<string>()
  #writing: Promise<unknown> = Promise.resolve()
  readonly tally = new Tally()

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /** Opens the journal of `job`; the folder is made. */
  static async open(folder: string, job: string): Promise<Journal> {
    await mkdir(folder, { recursive: true })
    const file = path.join(folder, `${job}.ndjson`)
    const journal = new Journal(file, await open(file, 'a'))
    for await (const found of entriesOf(file)) journal.#note(found)
    const text = await readFile(file).then((bytes) => bytes.subarray(-1).toString())
    if (text !== '' && text !== '\n') await journal.#handle.appendFile('\n')
    return journal
  }

  #note(found: Entry): void {
    this.#done.add(found.batch)
    this.tally.add(found)
    if (found.rejected.length > 0)
      this.#refused.set(
        found.batch,
        found.rejected.map(({ line }) => line),
      )
  }

  has(batch: string): boolean {
    return this.#done.has(batch)
  }

  /** The lines of a batch that did not become rows. */
  refusedIn(batch: string): readonly number[] {
    return this.#refused.get(batch) ?? []
  }

  async add(found: Entry): Promise<void> {
    this.#note(found)
    const line = `${JSON.stringify(found)}\n`
    const written = this.#writing.then(() => this.#handle.appendFile(line))
    this.#writing = written.catch(() => undefined)
    await written
  }

  /** Writes the refused lines of all runs as NDJSON, batch by batch; a file of an earlier run is replaced whole. */
  async writeErrors(file: string): Promise<void> {
    await mkdir(path.dirname(path.resolve(file)), { recursive: true })
    const next = `${file}.new`
    await rm(next, { force: true })
    const out = await open(next, 'a')
    try {
      for await (const { rejected } of entriesOf(this.#file)) {
        if (rejected.length > 0)
          await out.appendFile(rejected.map((line) => `${JSON.stringify(line)}\n`).join(''))
      }
    } finally {
      await out.close()
    }
    await rename(next, file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#handle.close()
  }
}
