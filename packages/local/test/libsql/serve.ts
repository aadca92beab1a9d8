import { openHarness } from './harness.ts'

// A libSQL server in a process of its own, to be killed or measured: `node serve.ts <data folder> [databases]` makes
// databases d0, d1, … and prints where it listens.
const [dataDir, databases = '0'] = process.argv.slice(2)
if (dataDir === undefined) throw new Error('usage: node serve.ts <data folder> [databases]')
const harness = await openHarness({ dataDir })
for (let i = 0; i < Number(databases); i += 1) await harness.engine.databases?.create(`d${i}`)
process.stdout.write(`${harness.origin}\n`)
