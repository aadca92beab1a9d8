import { DeltaTable, handleOf } from '@stoa/counting'

import { metrics, objectIds } from './counting-place.ts'
import { atLeast, type Row } from './row.ts'

const objects = 100_000
const increments = 1_000_000
const rounds = 7

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Milliseconds that `work` takes. */
function timed(work: () => void): number {
  const begin = performance.now()
  work()
  return performance.now() - begin
}

/** Which object is counted at each step: any, and the popular ones more often. */
function sequence(): Uint32Array {
  let state = 1
  return Uint32Array.from({ length: increments }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) ** 2 * objects)
  })
}

/** As ids come in a request: new strings, whose hash nobody has computed yet. */
function fresh(ids: readonly string[]): readonly string[] {
  return JSON.parse(JSON.stringify(ids)) as readonly string[]
}

type Forms = Readonly<Record<'text' | 'handle' | 'byCounter' | 'byObject', () => void>>

function formsOf(ids: readonly string[], order: Uint32Array): Forms {
  const handles = ids.map(handleOf)
  const arrivals = fresh([...order].map((at) => ids[at] ?? ''))
  return {
    text: () => {
      const table = new DeltaTable(metrics)
      for (const [step, id] of arrivals.entries()) table.addTo(id, step & 3, 1)
    },
    handle: () => {
      const table = new DeltaTable(metrics)
      for (let step = 0; step < increments; step += 1) {
        const handle = handles[order[step] ?? 0]
        if (handle !== undefined) table.add(handle, step & 3, 1)
      }
    },
    byCounter: () => {
      const map = new Map<string, number>()
      for (const [step, id] of arrivals.entries()) {
        const key = `${id}:${metrics[step & 3] ?? ''}`
        map.set(key, (map.get(key) ?? 0) + 1)
      }
    },
    byObject: () => {
      const map = new Map<string, number[]>()
      for (const [step, id] of arrivals.entries()) {
        const values = map.get(id)
        if (values === undefined)
          map.set(
            id,
            metrics.map((_, index) => (index === (step & 3) ? 1 : 0)),
          )
        else values[step & 3] = (values[step & 3] ?? 0) + 1
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
  const unit = 'increments/s'
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
      name: 'buffer, ids as text, beside a Map by id and metric',
      value: rate('text'),
      unit,
      baseline: rate('byCounter'),
      target: 1.3,
    }),
    atLeast({
      name: 'buffer, ids as text, beside a Map of arrays by id',
      value: rate('text'),
      unit,
      baseline: rate('byObject'),
      target: 1.3,
    }),
    atLeast({
      name: 'buffer, parsed handles, beside a Map by id and metric',
      value: rate('handle'),
      unit,
      baseline: rate('byCounter'),
      target: 5,
    }),
    atLeast({
      name: 'buffer, parsed handles, beside a Map of arrays by id',
      value: rate('handle'),
      unit,
      baseline: rate('byObject'),
    }),
  ]
}
