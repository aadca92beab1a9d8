import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where a private server keeps its things. */
export type ServerFiles = {
  readonly folder: string
  readonly configuration: string
  readonly socket: string
  readonly pid: string
  readonly log: string
}

/** One number for each named database. */
export const serverDatabases = 1024

/** The path of a Unix socket may have 107 bytes on Linux and 103 on macOS. */
const maxSocketPath = 100

const binaries = ['redis-server', 'valkey-server'] as const

/** The first server on PATH. */
export function findServer(path = process.env['PATH'] ?? ''): string | undefined {
  const folders = path.split(delimiter).filter(Boolean)
  for (const binary of binaries) {
    const found = folders.map((folder) => join(folder, binary)).find((each) => existsSync(each))
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * What a command of a named database must not reach: the other databases, the process, its files and its users.
 * Scripts are held to it too.
 */
const forbidden = [
  'acl',
  'bgrewriteaof',
  'bgsave',
  'cluster',
  'config',
  'debug',
  'failover',
  'flushall',
  'migrate',
  'module',
  'move',
  'psync',
  'replicaof',
  'reset',
  'save',
  'select',
  'shutdown',
  'slaveof',
  'swapdb',
  'sync',
]

/** The user that commands of the front run as. */
export const serverUser = 'front'

export function serverFiles(dataFolder: string): ServerFiles {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const folder = realpathSync(dataFolder)
  const socket = join(folder, 'redis.sock')
  return {
    folder,
    configuration: join(folder, 'redis.conf'),
    socket: socket.length <= maxSocketPath ? socket : shortSocket(folder),
    pid: join(folder, 'redis.pid'),
    log: join(folder, 'redis.log'),
  }
}

/** A socket elsewhere for a folder whose path is too long, in a folder of our own that nobody else can enter. */
function shortSocket(folder: string): string {
  const name = createHash('sha1').update(folder).digest('hex').slice(0, 20)
  const place = join(realpathSync(tmpdir()), `stoa-redis-${name}`)
  mkdirSync(place, { recursive: true, mode: 0o700 })
  chmodSync(place, 0o700)
  return join(place, 'redis.sock')
}

function quoted(path: string): string {
  return `"${path.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/**
 * The configuration of the private server.
 *
 * `appendfsync no` still writes every command to the append-only file before its reply goes out, so whatever was
 * acknowledged survives `kill -9`. `everysec` may hold that write back for two seconds while a background fsync is
 * slow; `always` adds an fsync a write to protect from power cuts, which a development server need not survive.
 */
export function writeConfiguration(files: ServerFiles): void {
  const lines = [
    'port 0',
    `unixsocket ${quoted(files.socket)}`,
    'unixsocketperm 700',
    `dir ${quoted(files.folder)}`,
    `pidfile ${quoted(files.pid)}`,
    `logfile ${quoted(files.log)}`,
    'daemonize no',
    `databases ${serverDatabases}`,
    'appendonly yes',
    'appendfsync no',
    'aof-load-truncated yes',
    'save ""',
    'maxmemory 0',
    'maxmemory-policy noeviction',
    // Approximate trimming then removes nodes of 100 entries, whatever their bytes.
    'stream-node-max-bytes 0',
    'user default on nopass ~* &* +@all',
    `user ${serverUser} on nopass ~* &* +@all ${forbidden.map((name) => `-${name}`).join(' ')}`,
    '',
  ]
  writeFileSync(files.configuration, lines.join('\n'), { mode: 0o600 })
}
