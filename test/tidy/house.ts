import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Every file that git knows or would take, from the root, that is still there. */
export const files: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-co', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
)
  .trim()
  .split('\n')
  .filter((file) => existsSync(path.join(root, file)))

export function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

export function exists(file: string): boolean {
  return existsSync(path.join(root, file))
}

/** The folders that are a package or a worker. */
export const homes: readonly string[] = [
  ...new Set(files.flatMap((file) => /^(?:packages|workers)\/[^/]+(?=\/)/.exec(file)?.[0] ?? [])),
].toSorted()

/** The parts of a Markdown text by their second-level heading. */
export function sectionsOf(text: string): ReadonlyMap<string, string> {
  const parts = text.split(/^## /m).slice(1)
  return new Map(
    parts.map((part) => {
      const [heading = '', ...lines] = part.split('\n')
      return [heading.trim(), lines.join('\n')]
    }),
  )
}
