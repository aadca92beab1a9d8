import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { close, execute } from './harness.ts'

// By-id reads, sent as the official client sends them, against a server in a process of its own:
// `node load.ts [databases = 1] [connections = 16] [requests = 20000] [ids]`. With `scan` as the fourth argument the
// query is one that a thread must answer. Not measured: the client library, a Worker, writes.

const [databases = 1, connections = 16, requests = 20_000] = process.argv.slice(2, 5).map(Number)
const sql =
  process.argv[5] === 'scan'
    ? 'SELECT id, v, n FROM k WHERE id = ? OR v = 1'
    : 'SELECT id, v, n FROM k WHERE id = ?'
const fill = `CREATE TABLE k (id TEXT PRIMARY KEY, v TEXT, n INTEGER);
  WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 999)
  INSERT INTO k SELECT 'k' || i, hex(zeroblob(50)), i FROM c`

const dataDir = await mkdtemp(join(tmpdir(), 'stoa-libsql-load-'))
const program = new URL('./serve.ts', import.meta.url).pathname
const server = spawn(process.execPath, [program, dataDir, String(databases)], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const [printed] = (await once(server.stdout, 'data')) as [Buffer]
const { hostname, port } = new URL(printed.toString().trim())
const agent = new Agent({ keepAlive: true, maxSockets: connections })

function post(database: number, work: readonly unknown[]): Promise<string> {
  const body = JSON.stringify({ baton: null, requests: work })
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  }
  const path = `/d${database}/v2/pipeline`
  return new Promise((resolve, reject) => {
    const sent = request({ agent, hostname, port, path, method: 'POST', headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function run(total: number): Promise<readonly number[]> {
  const latencies: number[] = []
  let left = total
  const connection = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const startMs = performance.now()
      const id = { type: 'text', value: `k${left % 1000}` }
      const answer = await post(left % databases, [execute(sql, [id]), close])
      if (!answer.includes('"value":"k')) throw new Error(answer)
      latencies.push(performance.now() - startMs)
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return latencies.toSorted((a, b) => a - b)
}

for (let i = 0; i < databases; i += 1) await post(i, [{ type: 'sequence', sql: fill }, close])
await run(Math.max(4000, databases * 10))
const startMs = performance.now()
const latencies = await run(requests)
const seconds = (performance.now() - startMs) / 1000
const at = (share: number): string =>
  (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2)
process.stdout.write(
  `${databases} databases, ${connections} connections: ${Math.round(requests / seconds)} requests/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`,
)
agent.destroy()
server.kill('SIGKILL')
await rm(dataDir, { recursive: true, force: true })
