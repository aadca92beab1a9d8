import { call, kind, metrics, objectIds, type Place } from './counting-place.ts'
import type { Row } from './row.ts'

const increments = 1_000_000
const limit = 10_500

/** Commands that the server bills for 1,000,000 increments of 200,000 objects, drains and publications included. */
async function billedWith(place: Place, logs: number): Promise<Row> {
  const ids = objectIds(200_000)
  const named = await Promise.all(
    Array.from({ length: logs }, async (_, index) => {
      const name = `bill-${logs}-${index}`
      return { name, redis: await place.redis(name) }
    }),
  )
  const counting = place.counting({ logs: named, hot: await place.redis(`bill-${logs}-hot`) })
  const before = await place.billed()
  let sent = 0
  for (let n = 0; n < increments; n += 1) {
    const id = ids[(n * 7_919) % ids.length] ?? ''
    counting.increment(kind.name, id, { [metrics[n & 3] ?? '']: 1 })
    if (counting.due() === 0) sent += (await counting.flush(call)).sent
    if (n % 100_000 === 99_999) await counting.drainer.drain(call)
  }
  sent += (await counting.flush(call)).sent
  await counting.drainer.drain(call)
  const value = (await place.billed()) - before
  const size = Math.round(increments / sent)
  return {
    name: `billed for 1,000,000 increments, ${logs} ${logs === 1 ? 'log' : 'logs'}, ${size} a flush (baseline: the limit)`,
    value,
    unit: 'commands',
    baseline: limit,
    ratio: limit / value,
    target: 1,
    ok: value <= limit,
  }
}

export async function benchBill(place: Place): Promise<readonly Row[]> {
  return [await billedWith(place, 1), await billedWith(place, 4)]
}
