import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { clientEnv, type LocalConfig, type ServerName, serverNames } from './config.ts'
import { openServer } from './open-server.ts'

export type LocalOptions = Partial<LocalConfig>

export type Local = {
  readonly ports: Readonly<Record<ServerName, number>>
  /** What a program with the official clients needs; see {@link clientEnv}. */
  readonly env: Readonly<Record<string, string>>
  close(this: void): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the servers in this process, on free ports and a temporary folder unless told otherwise: the form for
 * tests. The folder is removed at `close()` when it was made here.
 *
 * @throws PortTakenError, InvalidConfigError.
 */
export async function startLocal(options: LocalOptions = {}): Promise<Local> {
  const made = options.dataDir === undefined
  const dataDir = options.dataDir ?? (await mkdtemp(path.join(tmpdir(), 'stoa-local-')))
  const config: LocalConfig = {
    dataDir,
    ports: options.ports ?? { libsql: 0, redis: 0, qstash: 0 },
    redisEngine: options.redisEngine ?? 'auto',
  }
  const servers = await Promise.all(serverNames.map((name) => openServer(name, config)))
  const [libsql = 0, redis = 0, qstash = 0, psp = 0] = servers.map((server) => server.port)
  const ports = { libsql, redis, qstash, psp }
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()))
    if (made) await rm(dataDir, { recursive: true, force: true })
  }
  return { ports, env: clientEnv(ports), close, [Symbol.asyncDispose]: close }
}
