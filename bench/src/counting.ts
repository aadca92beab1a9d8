import { benchBill } from './counting-bill.ts'
import { benchBuffer } from './counting-buffer.ts'
import { benchBytes } from './counting-bytes.ts'
import { benchDrain } from './counting-drain.ts'
import { benchExact } from './counting-exact.ts'
import { openPlace } from './counting-place.ts'
import type { Row } from './row.ts'

/**
 * Counting through the local servers, with the official clients: what is billed, what a counter takes, how fast, and how
 * exact. It measures neither Turso nor Upstash; bytes in Redis are those of the `redis-server` on PATH.
 */
export async function benchCounting(): Promise<Row[]> {
  const buffer = benchBuffer()
  const place = await openPlace()
  try {
    console.log('bytes')
    const bytes = await benchBytes(place)
    console.log('drain')
    const drain = await benchDrain(place)
    console.log('bill')
    const bill = await benchBill(place)
    console.log('exactness')
    return [...bill, ...bytes, ...buffer, ...drain, await benchExact(place)]
  } finally {
    await place.close()
  }
}
