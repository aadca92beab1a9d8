import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Another process has the folder. */
export class FolderTakenError extends Error {
  override readonly name = 'FolderTakenError'
}

const attempts = 5

/**
 * Keeps a second front out of a data folder. A lock whose process is gone, or whose process number now belongs to
 * another process, does not count.
 *
 * @returns how to give the folder back.
 * @throws FolderTakenError
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  const mine = `${process.pid} ${startOf(process.pid)}`
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (created(path, mine)) return () => rmSync(path, { force: true })
    const holder = read(path)
    if (isAlive(holder)) {
      throw new FolderTakenError(`Cannot use ${folder}: process ${holder.split(' ')[0]} uses it`)
    }
    rmSync(path, { force: true })
  }
  throw new FolderTakenError(`Cannot use ${folder}: others keep taking it`)
}

function created(path: string, text: string): boolean {
  try {
    const file = openSync(path, 'wx')
    writeSync(file, text)
    closeSync(file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isAlive(holder: string): boolean {
  const [pid = '', start = ''] = holder.split(' ')
  if (!/^\d+$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
  } catch {
    return false
  }
  return start === '' || start === startOf(Number(pid))
}

/** When the process started, in ticks since boot; empty where there is no /proc. */
function startOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`)
  // The name in parentheses may hold blanks; the 22nd field is the 20th after it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
