import type { Row } from './row.ts'
import { benchFence } from './sharding-fence.ts'
import { benchPlacement } from './sharding-placement.ts'
import { benchRouter } from './sharding-router.ts'

/** Placement, routing and the fence beside their peers. */
export async function benchSharding(): Promise<Row[]> {
  return [...(await benchPlacement()), ...(await benchRouter()), ...(await benchFence())]
}
