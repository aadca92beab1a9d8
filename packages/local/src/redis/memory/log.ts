import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'

import type { Argv } from '../engine.ts'

/** A change to one database, as the command that makes it again. */
export type Change = { readonly db: number; readonly argv: Argv }

const magic = Buffer.from('stoa-redis-log-1\n')
const headBytes = 8

/**
 * The append-only file of the in-process engine.
 *
 * A record is `length, crc32, changes` and holds what one request changed, so a transaction or a script comes back
 * whole or not at all. {@link append} returns once the operating system has the bytes: they survive the death of
 * the process, not a power cut. A record cut short by a crash is dropped when the file is opened.
 */
export class Log {
  readonly #path: string
  #file: number
  #size: number

  private constructor(path: string, file: number, size: number) {
    this.#path = path
    this.#file = file
    this.#size = size
  }

  /** Opens the file, creating it when there is none, and hands over what it holds in order. */
  static open(path: string, replay: (changes: readonly Change[]) => void): Log {
    const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    const file = openSync(path, content.length > 0 ? 'r+' : 'w+')
    const isKnown = content.subarray(0, magic.length).equals(magic)
    if (content.length >= magic.length && !isKnown) {
      closeSync(file)
      throw new Error(`Cannot read ${path}: it is not a log of this engine`)
    }
    let end = isKnown ? magic.length : 0
    for (let record = recordAt(content, end); record; record = recordAt(content, end)) {
      replay(decode(record))
      end += headBytes + record.length
    }
    ftruncateSync(file, end)
    const log = new Log(path, file, end)
    if (end === 0) log.#write(magic)
    return log
  }

  get size(): number {
    return this.#size
  }

  /** @throws Error when the disk refuses; the file is then cut back to its last whole record. */
  append(changes: readonly Change[]): void {
    this.#write(recordOf(changes))
  }

  /** Replaces the file by one that holds only `changes`; a crash leaves either the old or the new one. */
  rewrite(changes: Iterable<Change>): void {
    const temporary = `${this.#path}.new`
    const file = openSync(temporary, 'w')
    const next = new Log(this.#path, file, 0)
    next.#write(magic)
    let batch: Change[] = []
    let waiting = 0
    for (const change of changes) {
      batch.push(change)
      waiting += bytesIn(change)
      if (waiting < 1 << 20) continue
      next.append(batch)
      batch = []
      waiting = 0
    }
    if (batch.length > 0) next.append(batch)
    fsyncSync(file)
    renameSync(temporary, this.#path)
    syncFolder(dirname(this.#path))
    closeSync(this.#file)
    this.#file = file
    this.#size = next.#size
  }

  close(): void {
    fsyncSync(this.#file)
    closeSync(this.#file)
  }

  #write(bytes: Buffer): void {
    let written = 0
    try {
      while (written < bytes.length) {
        written += writeSync(
          this.#file,
          bytes,
          written,
          bytes.length - written,
          this.#size + written,
        )
      }
      this.#size += written
    } catch (cause) {
      ftruncateSync(this.#file, this.#size)
      throw new Error(`Cannot append to ${this.#path}`, { cause })
    }
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function bytesIn({ argv }: Change): number {
  return argv.reduce((sum, word) => sum + 4 + word.length, 8)
}

function recordOf(changes: readonly Change[]): Buffer {
  const size = changes.reduce((sum, change) => sum + bytesIn(change), 0)
  const record = Buffer.allocUnsafe(headBytes + size)
  let at = headBytes
  for (const { db, argv } of changes) {
    at = record.writeUInt32LE(db, at)
    at = record.writeUInt32LE(argv.length, at)
    for (const word of argv) {
      at = record.writeUInt32LE(word.length, at)
      at += record.write(word, at, 'latin1')
    }
  }
  record.writeUInt32LE(size, 0)
  record.writeUInt32LE(crc32(record.subarray(headBytes)), 4)
  return record
}

/** The body of the record at `at`, or undefined when it is missing, cut short or damaged. */
function recordAt(content: Buffer, at: number): Buffer | undefined {
  if (at + headBytes > content.length) return undefined
  const size = content.readUInt32LE(at)
  const body = content.subarray(at + headBytes, at + headBytes + size)
  const isWhole = size > 0 && body.length === size && crc32(body) === content.readUInt32LE(at + 4)
  return isWhole ? body : undefined
}

function decode(body: Buffer): Change[] {
  const changes: Change[] = []
  let at = 0
  const number = () => {
    at += 4
    return body.readUInt32LE(at - 4)
  }
  const word = () => {
    const length = number()
    at += length
    return body.toString('latin1', at - length, at)
  }
  while (at < body.length) {
    const db = number()
    const words = number()
    changes.push({ db, argv: Array.from({ length: words }, word) })
  }
  return changes
}
