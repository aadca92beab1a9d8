import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { writeWhole } from './databases.ts'
import type { RedisEngine } from './engine.ts'
import { InProcessEngine } from './memory/engine.ts'
import { findServer } from './server/configuration.ts'
import { ServerEngine } from './server/engine.ts'

type EngineKind = 'server' | 'in-process'

export type EngineChoice = {
  /** `auto` takes a Redis server when there is one, and stays with the engine that has the data. */
  readonly engine?: EngineKind | 'auto'
  /** The server to run; the first `redis-server` or `valkey-server` on PATH unless given. */
  readonly serverBinary?: string | undefined
  /** Milliseconds since 1970, for the in-process engine. */
  readonly now?: (() => number) | undefined
}

/** The engine that can be run is not the one that is wanted. */
class NoServerError extends Error {
  override readonly name = 'NoServerError'
}

/**
 * Opens the engine in `dataDir`. Each engine has a folder of its own there and does not read the other's data.
 *
 * @throws NoServerError when a server is wanted, or holds the data, and none is on PATH.
 */
export async function openEngine(dataDir: string, choice: EngineChoice): Promise<RedisEngine> {
  const { engine = 'auto', serverBinary = findServer(), now } = choice
  const kind = engine === 'auto' ? automatic(dataDir, serverBinary) : engine
  if (kind === 'server' && serverBinary === undefined) {
    throw new NoServerError('Cannot start Redis: no redis-server or valkey-server is on PATH')
  }
  writeWhole(kindFile(dataDir), kind)
  if (kind === 'server' && serverBinary !== undefined) {
    return ServerEngine.start({ folder: join(dataDir, 'server'), binary: serverBinary })
  }
  return new InProcessEngine({ folder: join(dataDir, 'in-process'), ...(now && { now }) })
}

function kindFile(dataDir: string): string {
  return join(dataDir, 'engine')
}

/** Data must not seem to vanish because a server was installed or removed since. */
function automatic(dataDir: string, serverBinary: string | undefined): EngineKind {
  const path = kindFile(dataDir)
  const before = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  if (before === 'in-process') return 'in-process'
  if (serverBinary !== undefined) return 'server'
  if (before !== 'server') return 'in-process'
  throw new NoServerError(
    `Cannot start Redis: the data in ${dataDir} was written by a Redis server, and none is on PATH. ` +
      'Install one, or remove the folder.',
  )
}
