import { createQstash } from '../../src/qstash/index.ts'
import { originOf, serveApi } from './harness.ts'

/** A QStash in a process of its own, to be killed: `fork(child.ts, [dataDir])` sends its URL. */
const engine = await createQstash({ dataDir: process.argv[2] })
const server = await serveApi(async (exchange) => {
  const control = engine.control?.[exchange.target]
  return control === undefined ? engine.handle(exchange) : control(exchange)
})
process.send?.(originOf(server))
