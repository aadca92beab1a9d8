import { watch } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Deployment } from './deployment.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Editors write a file in several steps; what comes within this time is one change. */
const settleMs = 150

/** Serves the code anew whenever a source file changes; what does not build is said, and the last good one goes on. */
export function reloadOnChange(deployment: Deployment, say: (line: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const reload = async (file: string): Promise<void> => {
    const started = Date.now()
    try {
      await deployment.reload()
      say(`Reloaded in ${Date.now() - started} ms: ${file}`)
    } catch (error) {
      say(`Not reloaded: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const watchers = ['packages', 'workers', 'drizzle'].map((folder) =>
    watch(path.join(root, folder), { recursive: true }, (_event, name) => {
      const file = path.join(folder, name ?? '')
      if (!/(?<!\.test)\.(?:ts|toml)$/.test(file) || file.includes('node_modules')) return
      clearTimeout(timer)
      timer = setTimeout(() => {
        running = running.then(() => reload(file))
      }, settleMs)
    }),
  )
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}
