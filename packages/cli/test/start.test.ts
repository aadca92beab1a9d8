import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../../tools/run.mjs', import.meta.url))

let folder: string
const started: ChildProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'stoa-start-'))
})

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function listen(): Promise<{ port: number; server: Server }> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

async function freePorts(): Promise<string[]> {
  const names = ['--port', '--libsql-port', '--redis-port', '--qstash-port']
  const probes = await Promise.all(names.map(listen))
  for (const { server } of probes) server.close()
  return probes.flatMap(({ port }, index) => [names[index] ?? '', String(port)])
}

/** Starts as npm does: with a shell in between. Resolves when what it says matches, or when it has ended. */
async function start(
  args: readonly string[],
  until: RegExp,
): Promise<{ child: ChildProcess; said: string }> {
  const words = [process.execPath, script, 'start', ...args].map((word) => `'${word}'`)
  const child = spawn('sh', ['-c', `${words.join(' ')}; exit $?`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let said = ''
  await new Promise<void>((resolve) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      if (until.test(said)) resolve()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('exit', () => resolve())
  })
  return { child, said }
}

/** All that `pid` started, and what that started. */
function descendants(pid: number): number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number))
  const found = new Set([pid])
  for (let grown = true; grown;) {
    const before = found.size
    for (const [child = 0, parent = 0] of rows) if (found.has(parent)) found.add(child)
    grown = found.size > before
  }
  found.delete(pid)
  return [...found]
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('npm start', () => {
  test('serves lines that work, ends wholly with its shell, and has its data when it is back', async () => {
    const args = [...(await freePorts()), '--data-dir', folder]
    const first = await start(args, /Ctrl-C ends it/)
    const curls = [...first.said.matchAll(/^ {2}curl (\S+)(?: -H 'authorization: (.+)')?$/gm)]
    const answers = await Promise.all(
      curls.map(async ([, url = '', token]) => {
        const response = await fetch(
          url,
          token === undefined ? {} : { headers: { authorization: token } },
        )
        return { status: response.status, body: await response.json() }
      }),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])

    const pids = descendants(first.child.pid ?? 0)
    expect(pids.length).toBeGreaterThan(4)
    first.child.kill('SIGTERM')
    await expect.poll(() => pids.filter(isAlive), { timeout: 15_000 }).toEqual([])

    const second = await start(args, /Ctrl-C ends it/)
    expect(second.said).not.toContain('Demo data')
    const [, , shop] = [...second.said.matchAll(/^ {2}curl (\S+)/gm)]
    expect(await (await fetch(shop?.[1] ?? '')).json()).toEqual(answers[2]?.body)
    const others = descendants(second.child.pid ?? 0)
    for (const pid of others) if (isAlive(pid)) process.kill(pid, 'SIGINT')
    await expect.poll(() => others.filter(isAlive), { timeout: 15_000 }).toEqual([])
  }, 120_000)

  test('says which port is taken, and leaves nothing behind', async () => {
    const { server, port } = await listen()
    const ports = await freePorts()
    ports[3] = String(port)

    const { said } = await start([...ports, '--data-dir', path.join(folder, 'taken')], /never/)

    expect(said).toContain(`Cannot listen for libsql: port ${port} is taken`)
    server.close()
  }, 60_000)

  test.each([
    [['--shards', 'nine'], '--shards is "nine"'],
    [['--shape', 'some'], '--shape is "some"'],
    [['--port', '99999'], '--port is "99999"'],
    [['--redis-engine', 'memcached'], '--redis-engine is "memcached"'],
    [['--loud'], '--loud'],
  ])('stops at %j and says what is wrong', async (args, words) => {
    const { said, child } = await start(args, /never/)

    expect(said).toContain(words)
    expect(child.exitCode).toBe(1)
  })
})
