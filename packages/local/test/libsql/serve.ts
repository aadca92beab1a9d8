import { openHarness } from './harness.ts'

// A libSQL server in a process of its own, to be killed: `node serve.ts <data folder>` prints where it listens.
const dataDir = process.argv[2]
if (dataDir === undefined) throw new Error('usage: node serve.ts <data folder>')
const harness = await openHarness({ dataDir })
process.stdout.write(`${harness.origin}\n`)
