import { readFileSync, realpathSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { EngineDownError } from '../engine.ts'
import { isList } from '../reply.ts'
import type { ServerFiles } from './configuration.ts'
import { Connection } from './connection.ts'

const answerLimitMs = 1_000
/** What it was sent is in the append-only file already, so killing it after this loses nothing. */
const stopLimitMs = 3_000
const pollMs = 20

/**
 * Ends a server that an earlier front left behind in this folder, so that two never write one append-only file.
 *
 * Only a process that proves itself is ended: one that answers at our socket and names our folder as its own, or
 * one whose number is in our pid file and whose command line names our socket.
 *
 * @throws Error when somebody else's server answers at our socket.
 */
export async function stopOrphan(files: ServerFiles): Promise<void> {
  const pid = await orphanAt(files)
  if (pid === undefined) return
  signal(pid, 'SIGTERM')
  const limit = performance.now() + stopLimitMs
  while (isAlive(pid) && performance.now() < limit) await delay(pollMs)
  if (isAlive(pid)) {
    signal(pid, 'SIGKILL')
    while (isAlive(pid)) await delay(pollMs)
  }
  rmSync(files.pid, { force: true })
}

async function orphanAt(files: ServerFiles): Promise<number | undefined> {
  return (await answeringAt(files)) ?? namedByPidFile(files)
}

async function answeringAt(files: ServerFiles): Promise<number | undefined> {
  try {
    const connection = await Connection.open(files.socket)
    const timer = setTimeout(() => connection.close(), answerLimitMs)
    try {
      const place = await connection.ask(['CONFIG', 'GET', 'dir'])
      const folder = isList(place) ? place[1] : undefined
      if (typeof folder !== 'string' || resolved(folder) !== files.folder) {
        throw new Error(`Cannot start at ${files.socket}: a server of another folder answers there`)
      }
      const info = await connection.ask(['INFO', 'server'])
      const match = typeof info === 'string' ? /process_id:(\d+)/.exec(info) : null
      return match ? Number(match[1]) : undefined
    } finally {
      clearTimeout(timer)
      connection.close()
    }
  } catch (error) {
    if (error instanceof EngineDownError) return undefined
    throw error
  }
}

/** The process of the pid file, if it is alive and its command line says that it is ours; Linux only. */
function namedByPidFile({ pid, socket, configuration }: ServerFiles): number | undefined {
  try {
    const number = Number(readFileSync(pid, 'utf8').trim())
    const command = readFileSync(`/proc/${number}/cmdline`, 'latin1')
    const isOurs = command.includes(socket) || command.includes(configuration)
    return isOurs && isAlive(number) ? number : undefined
  } catch {
    return undefined
  }
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch {
    // It went by itself in the meantime.
  }
}
