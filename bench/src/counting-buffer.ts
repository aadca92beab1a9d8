import { DeltaTable, handleOf } from '@stoa/counting'

import { metrics, objectIds } from './counting-place.ts'
import { atLeast, type Row } from './row.ts'

const objects = 100_000
/** What one isolate counts between two flushes is less than this. */
const busyObjects = 10_000
const increments = 500_000
const rounds = 5

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Milliseconds of CPU that `work` takes: what else runs on the machine does not count. */
function timed(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** Which object is counted at each step: any, and the popular ones more often. */
function sequence(): Uint32Array {
  let state = 1
  return Uint32Array.from({ length: increments }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) ** 2 * busyObjects)
  })
}

/** As ids come in a request: new strings, whose hash nobody has computed yet. */
function fresh(ids: readonly string[]): readonly string[] {
  return JSON.parse(JSON.stringify(ids)) as readonly string[]
}

type Forms = Readonly<Record<'text' | 'handle' | 'byCounter' | 'byObject', () => void>>

function formsOf(ids: readonly string[], order: Uint32Array): Forms {
  const arrivals = fresh([...order].map((at) => ids[at] ?? ''))
  const handles = ids.map(handleOf)
  const held = [...order].flatMap((at) => handles[at] ?? [])
  return {
    text: () => {
      const table = new DeltaTable(metrics)
      for (let step = 0; step < increments; step += 1)
        table.addTo(arrivals[step] ?? '', step & 3, 1)
    },
    handle: () => {
      const table = new DeltaTable(metrics)
      const [first] = held
      if (first === undefined) return
      for (let step = 0; step < increments; step += 1) table.add(held[step] ?? first, step & 3, 1)
    },
    byCounter: () => {
      const map = new Map<string, number>()
      for (let step = 0; step < increments; step += 1) {
        const key = `${arrivals[step] ?? ''}:${metrics[step & 3] ?? ''}`
        map.set(key, (map.get(key) ?? 0) + 1)
      }
    },
    byObject: () => {
      const map = new Map<string, number[]>()
      for (let step = 0; step < increments; step += 1) {
        const id = arrivals[step] ?? ''
        const values = map.get(id)
        const metric = step & 3
        if (values !== undefined) values[metric] = (values[metric] ?? 0) + 1
        else
          map.set(
            id,
            [0, 1, 2, 3].map((index) => (index === metric ? 1 : 0)),
          )
      }
    },
  }
}

/** The isolate's buffer beside maps: bytes, and increments a second. */
export function benchBuffer(): Row[] {
  const ids = objectIds(objects)
  const table = new DeltaTable(metrics)
  for (const id of ids) for (const metric of metrics.keys()) table.addTo(id, metric, 7)
  const times: Record<keyof Forms, number[]> = { text: [], handle: [], byCounter: [], byObject: [] }
  const order = sequence()
  for (let round = 0; round <= rounds; round += 1) {
    const forms = formsOf(ids, order)
    for (const name of ['text', 'byCounter', 'handle', 'byObject'] as const) {
      const ms = timed(forms[name])
      // The first round warms up.
      if (round > 0) times[name].push(ms)
    }
  }
  const rate = (name: keyof Forms) => (increments / median(times[name])) * 1_000
  const unit = 'increments/CPU s'
  const bytes = (table.bytes / objects / metrics.length) * 1_000
  return [
    {
      name: 'buffer, 100,000 objects, four metrics (baseline: the limit)',
      value: bytes,
      unit: 'bytes per 1,000 counters',
      baseline: 10_000,
      ratio: 10_000 / bytes,
      target: 1,
      ok: bytes <= 10_000,
    },
    atLeast({
      name: 'buffer of 10,000 objects, ids as text, beside a Map by id and metric',
      value: rate('text'),
      unit,
      baseline: rate('byCounter'),
      target: 1.3,
    }),
    atLeast({
      name: 'buffer of 10,000 objects, ids as text, beside a Map of arrays by id',
      value: rate('text'),
      unit,
      baseline: rate('byObject'),
      target: 1.3,
    }),
    atLeast({
      name: 'buffer of 10,000 objects, parsed handles, beside a Map by id and metric',
      value: rate('handle'),
      unit,
      baseline: rate('byCounter'),
      target: 5,
    }),
    atLeast({
      name: 'buffer of 10,000 objects, parsed handles, beside a Map of arrays by id',
      value: rate('handle'),
      unit,
      baseline: rate('byObject'),
    }),
  ]
}
