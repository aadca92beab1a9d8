import { readdir, readFile } from 'node:fs/promises'

import { consumersOf, events, type EventType } from '@stoa/contracts'
import { versionOf } from '@stoa/contracts/events'
import { describe, expect, test } from 'vitest'

import { readEvents } from '../src/index.ts'
import { fixtures } from './event-fixtures.ts'
import { idIn } from './harness.ts'

const workers = new URL('../../../workers/', import.meta.url)
const types = Object.keys(events) as readonly EventType[]

/** Everything that a worker is made of, as one text. */
async function sourceOf(worker: string): Promise<string> {
  const folder = new URL(`${worker}/src/`, workers)
  const files = await readdir(folder, { recursive: true })
  const sources = files.filter((name) => name.endsWith('.ts'))
  return (await Promise.all(sources.map((name) => readFile(new URL(name, folder), 'utf8')))).join()
}

describe('the contract of an event', () => {
  test('is known by name to each of its consumers', async () => {
    const consumers = [...new Set(types.flatMap((type) => consumersOf(type)))]
    const sources = new Map(
      await Promise.all(consumers.map(async (name) => [name, await sourceOf(name)] as const)),
    )

    const deaf = types.flatMap((type) =>
      consumersOf(type)
        .filter((consumer) => !(sources.get(consumer) ?? '').includes(`'${type}'`))
        .map((consumer) => `${consumer} does not handle ${type}`),
    )

    expect(deaf).toEqual([])
  })

  test('has a fixture of each version that a consumer may still receive', () => {
    const missing = types
      .filter((type) => consumersOf(type).length > 0)
      .flatMap((type) =>
        Array.from({ length: versionOf(type) }, (_, index) => `${type} version ${index + 1}`),
      )
      .filter((name) => !fixtures.some(([type, version]) => name === `${type} version ${version}`))

    expect(missing).toEqual([])
  })

  test.each(fixtures)('still reads what %s version %i said: %j', (type, version, data) => {
    const key = idIn(5)
    const v = version === 1 ? {} : { v: version }
    const event = { id: idIn(5), type, ...v, key, seq: 1, at: 1, cause: 't', data }

    const { events: read, unreadable } = readEvents([event])

    expect(unreadable).toEqual([])
    expect(read).toHaveLength(1)
  })

  test('has an upgrade for each version but the newest', () => {
    const definitions = Object.entries(events).map(([type, definition]) => ({
      type,
      ...definition,
    }))
    for (const definition of definitions) {
      const newest = versionOf(definition.type as EventType)
      const upgrades = 'upgrades' in definition ? Object.keys(definition.upgrades as object) : []
      expect(upgrades).toEqual(Array.from({ length: newest - 1 }, (_, index) => String(index + 1)))
    }
  })
})
