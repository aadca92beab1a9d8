import { isFault } from '@stoa/kernel'

import { adviceOn } from './faults.ts'

/** Where a command says what it finds and does: text for people, or one JSON object a line. */
export type Output = {
  readonly isJson: boolean
  /** An outcome: `event` for programs, `text` for people. */
  tell(event: Readonly<Record<string, unknown>>, text: string): void
  /** For people alone, beside the outcome. */
  note(text: string): void
}

export function outputOf(isJson: boolean): Output {
  return {
    isJson,
    tell: (event, text) => {
      process.stdout.write(`${isJson ? JSON.stringify(event) : text}\n`)
    },
    note: (text) => {
      if (!isJson) process.stderr.write(`${text}\n`)
    },
  }
}

/** Exit codes, which scripts may rely on. */
export const exitCodes = {
  done: 0,
  refused: 1,
  badCommand: 2,
  unreachable: 3,
  stopped: 130,
} as const

const unreachable = new Set(['no_system', 'shard_unavailable'])

/** A database that an older release has migrated lacks tables of this one. */
function adviceOnText(message: string): string | undefined {
  return /no such (?:table|column)/.test(message) ? 'npm run stoa -- migrate' : undefined
}

/** Says what failed and what to do; answers the exit code. */
export function tellFailure(output: Output, error: unknown): number {
  const message = error instanceof Error ? error.message : String(error)
  const advice = isFault(error) ? adviceOn(error) : adviceOnText(message)
  const code = isFault(error) ? error.code : 'failed'
  if (output.isJson) output.tell({ event: 'error', code, message, advice }, '')
  else {
    process.stderr.write(`${message}\n${advice === undefined ? '' : `What to do: ${advice}\n`}`)
  }
  if (code === 'bad_command') return exitCodes.badCommand
  return unreachable.has(code) ? exitCodes.unreachable : exitCodes.refused
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)),
  )
  const widths = texts.reduce<readonly number[]>(
    (most, row) => row.map((cell, at) => Math.max(cell.length, most[at] ?? 0)),
    [],
  )
  const lines = texts.map((row, at) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return typeof rows[at]?.[column] === 'number' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
