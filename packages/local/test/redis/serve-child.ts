/** A server in a process of its own, to be killed: `node serve-child.ts <engine> <folder>`. */
import { openStand } from './harness.ts'

const [, , engine, dataDir] = process.argv
const stand = await openStand({
  engine: engine === 'server' ? 'server' : 'in-process',
  ...(dataDir !== undefined && { dataDir }),
})
process.send?.(stand.url)
