// The door of every npm script. It runs on any Node from 20 on, installs what is missing, and goes on under the
// Node 24 that the installation brought, because the rest of the repository is TypeScript that Node runs unbuilt.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const marker = path.join(root, 'node_modules', '.stoa-installed')
const verbs = {
  start: 'packages/cli/src/start.ts',
  dev: 'packages/cli/src/start.ts --watch',
  check: 'tools/check.ts',
  local: 'packages/local/src/cli.ts',
  bench: 'bench/run.ts',
  load: 'packages/cli/src/load.ts',
  stoa: 'packages/cli/src/stoa.ts',
  sim: 'test/simulation/src/main.ts',
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** What the installation must match: the lock file, and the machine it was made for. */
function wanted() {
  const lock = readFileSync(path.join(root, 'package-lock.json'))
  return `${process.platform}-${process.arch}-${createHash('sha256').update(lock).digest('hex')}`
}

function install() {
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted()) return
  process.stderr.write('Installing from npm (once, about a minute) …\n')
  const started = Date.now()
  // Not `npm ci`: it refuses a lock file written where the binaries of other platforms could not be seen.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) fail('npm install failed; its words are above')
  writeFileSync(marker, wanted())
  process.stderr.write(`Installed in ${Math.round((Date.now() - started) / 1000)} s.\n`)
}

function node24() {
  const own = path.join(root, 'node_modules', '.bin', 'node')
  if (existsSync(own)) return own
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  return fail(`No Node 24 from npm for ${process.platform}-${process.arch}: put Node 24 on PATH`)
}

const [verb = '', ...rest] = process.argv.slice(2)
const script = verbs[verb]
if (script === undefined)
  fail(`Cannot run "${verb}": choose one of ${Object.keys(verbs).join(', ')}`)
install()

const bin = path.join(root, 'node_modules', '.bin')
const [file, ...flags] = script.split(' ')
const child = spawn(node24(), [path.join(root, file), ...flags, ...rest], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}`,
    TURBO_TELEMETRY_DISABLED: '1',
    WRANGLER_SEND_METRICS: 'false',
  },
})
// Ctrl-C reaches the child by the terminal; a SIGTERM to npm is passed on.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => child.kill('SIGTERM'))
// npm puts a shell in between, which dies of a SIGTERM and passes nothing on: being orphaned is the signal then.
const parent = process.ppid
const watch = setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM')
}, 250)
child.on('exit', (code, signal) => {
  clearInterval(watch)
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
})
