/** `npm run bench -- NAME [--json FILE]`: measures one package beside its peers and prints ratios. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'

import { benchCaching } from './src/caching.ts'
import { benchCounting } from './src/counting.ts'
import { benchLocal } from './src/local.ts'
import { benchMessaging } from './src/messaging.ts'
import { benchReconciliation } from './src/reconciliation.ts'
import { benchImport } from './src/resharding-import.ts'
import { benchResharding } from './src/resharding.ts'
import { type Row, tableOf } from './src/row.ts'
import { benchSharding } from './src/sharding.ts'
import { benchTransactions } from './src/transactions.ts'

const benches: Readonly<Record<string, () => Promise<Row[]>>> = {
  caching: benchCaching,
  counting: benchCounting,
  local: benchLocal,
  messaging: benchMessaging,
  reconciliation: benchReconciliation,
  resharding: async () => [...(await benchResharding()), ...(await benchImport())],
  sharding: benchSharding,
  transactions: benchTransactions,
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' } },
})
const bench = benches[positionals[0] ?? '']
if (bench === undefined) {
  console.error(
    `Usage: npm run bench -- NAME [--json FILE], NAME one of: ${Object.keys(benches).join(', ')}`,
  )
  process.exit(2)
}
const rows = await bench()
console.log(`\n${tableOf(rows)}`)
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1
