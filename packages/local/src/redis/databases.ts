import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

import { defaultDatabase } from './rest/request.ts'

const pattern = /^[a-z0-9][a-z0-9-]{0,62}$/

class InvalidDatabaseError extends Error {
  override readonly name = 'InvalidDatabaseError'
}

/** The names of the databases; a name's place in the list is its number for good. */
export class DatabaseNames {
  readonly #path: string
  readonly #capacity: number
  readonly #numbers: Map<string, number>

  constructor(folder: string, capacity: number) {
    this.#path = join(folder, 'databases.json')
    this.#capacity = capacity
    this.#numbers = new Map(readNames(this.#path).map((name, number) => [name, number]))
  }

  numberOf(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  list(): readonly string[] {
    return [...this.#numbers.keys()]
  }

  /**
   * Creates the database unless it exists.
   *
   * @throws InvalidDatabaseError when the name cannot stand in a path and a host name, or there are too many.
   */
  create(name: string): void {
    if (this.#numbers.has(name)) return
    if (!pattern.test(name)) {
      throw new InvalidDatabaseError(
        `Cannot create database "${name}": use up to 63 lower-case letters, digits and hyphens`,
      )
    }
    if (this.#numbers.size >= this.#capacity) {
      throw new InvalidDatabaseError(
        `Cannot create database "${name}": there are already ${this.#capacity}`,
      )
    }
    writeWhole(this.#path, JSON.stringify([...this.list(), name]))
    this.#numbers.set(name, this.#numbers.size)
  }
}

function readNames(path: string): readonly string[] {
  if (!existsSync(path)) return [defaultDatabase]
  const names: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw new Error(`Cannot read ${path}: it is not a list of names`)
  }
  return names
}

/** Writes a file so that a crash leaves the old or the new one. */
export function writeWhole(path: string, text: string): void {
  const file = openSync(`${path}.new`, 'w')
  writeSync(file, text)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
}
