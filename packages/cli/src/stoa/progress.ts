import { systemClock } from '@stoa/kernel'
import type { Move, MovePhase, MoveProgress } from '@stoa/resharding'
import { SingleBar } from 'cli-progress'

import type { Output } from './output.ts'

/** How often a line of progress is written for programs, in milliseconds. */
const lineMs = 500

/** How much work there is. */
type Work = {
  readonly total: number
  /** How often each row is handled: a row is done when it was as often. Default: 1. */
  readonly passes?: number
}

/** What is shown of work that counts rows. */
export type Progress = {
  /** Work of a name, of which nothing is done. */
  begin(label: string, work: Work): void
  /** What is done of it from here on; rates are those of this part. */
  part(label: string): void
  /** The total, when it becomes known on the way. */
  expect(total: number): void
  add(rows: number): void
  /** So many rows have been handled, each time counted. */
  reach(rows: number): void
  /** Changes captured and not yet replayed. */
  lag(changes: number): void
  /** The present part has ended, and its last line may be written. */
  endPart(): void
  stop(): void
}

type State = {
  label: string
  /** Counted once for each pass. */
  total: number
  done: number
  passes: number
  begun: number
  /** What was done when the work, or this run of it, began; and when its present part did. */
  before: number
  partBegun: number
  partBefore: number
  lag: number
  written: number
  /** Whether the last line of this part was written. */
  isTold: boolean
}

function perSecond(rows: number, since: number): number {
  return (rows * 1_000) / Math.max(1, systemClock.now() - since)
}

/** Rows done, rows a second now, and the seconds that are left at the pace of the whole. */
function shownOf(state: State) {
  const { done, total, passes, before, begun, partBefore, partBegun, lag } = state
  const pace = perSecond(done - before, begun)
  return {
    done: Math.floor(done / passes),
    total: Math.floor(total / passes),
    rowsPerSecond: Math.round(perSecond(done - partBefore, partBegun)),
    etaSeconds: pace > 0 ? Math.round(Math.max(0, total - done) / pace) : 0,
    lag,
  }
}

function idle(): State {
  const times = { begun: 0, partBegun: 0, written: 0 }
  const rows = { total: 0, done: 0, passes: 1, before: 0, partBefore: 0 }
  return { label: '', ...rows, ...times, lag: 0, isTold: false }
}

/** Where the state is shown: a bar on a terminal; JSON lines for programs; one line at the end of each part elsewhere. */
function screenOf(output: Output, state: State) {
  const bar = new SingleBar({
    format: '{label} {bar} {value}/{total} rows | {rowsPerSecond}/s | ETA {left} s | lag {lag}',
    stream: process.stderr,
    noTTYOutput: false,
  })
  const isBar = !output.isJson && process.stderr.isTTY
  const payload = () => {
    const { rowsPerSecond, etaSeconds: left, lag } = shownOf(state)
    return { label: state.label, rowsPerSecond, left, lag }
  }
  const tell = (isLast: boolean): void => {
    const { label } = state
    const shown = shownOf(state)
    const now = systemClock.now()
    if (output.isJson && (isLast || now - state.written >= lineMs)) {
      state.written = now
      output.tell({ event: 'progress', what: label, ...shown }, '')
    }
    const { done, total, rowsPerSecond } = shown
    if (isLast) output.note(`${label}: ${done} of ${total} rows, ${rowsPerSecond}/s`)
  }
  return {
    open: () => {
      if (isBar) bar.start(shownOf(state).total, 0, payload())
    },
    show: () => {
      if (state.label === '') return
      state.isTold = false
      if (!isBar) {
        tell(false)
        return
      }
      const { done, total } = shownOf(state)
      bar.setTotal(total)
      bar.update(done, payload())
    },
    /** A bar goes on; a line is written once. */
    endPart: () => {
      if (isBar || state.label === '' || state.isTold) return
      state.isTold = true
      tell(true)
    },
    close: () => {
      if (isBar && state.label !== '') bar.stop()
    },
  }
}

/** Shows how far work is, one after the other. */
export function progressOf(output: Output): Progress {
  const state = idle()
  const screen = screenOf(output, state)
  const stop = (): void => {
    screen.endPart()
    screen.close()
    state.label = ''
  }
  return {
    begin: (label, { total, passes = 1 }) => {
      if (label === state.label) return
      stop()
      const now = systemClock.now()
      const fresh = { label, passes, total: total * passes, begun: now, partBegun: now }
      Object.assign(state, idle(), fresh)
      screen.open()
    },
    part: (label) => {
      if (label === state.label) return
      if (state.done > state.partBefore) screen.endPart()
      const { done: partBefore } = state
      const partBegun = systemClock.now()
      Object.assign(state, { label, partBefore, partBegun, written: 0, isTold: false })
    },
    expect: (total) => {
      state.total = total * state.passes
    },
    add: (rows) => {
      state.done += rows
      // Rows that were written meanwhile are moved too.
      state.total = Math.max(state.total, state.done)
      screen.show()
    },
    reach: (rows) => {
      // What an earlier run has done says nothing of the pace of this one.
      state.before += Math.max(0, rows - state.done)
      state.partBefore = rows
      state.done = rows
    },
    lag: (changes) => {
      state.lag = changes
      screen.show()
    },
    endPart: screen.endPart,
    stop,
  }
}

const labels: Partial<Record<MovePhase, string>> = {
  planned: 'copying',
  copying: 'copying',
  checking: 'comparing',
  cleaning: 'cleaning',
  aborting: 'taking back',
  withdrawing: 'cleaning',
}

/** A row is copied, compared and cleaned. */
export const movePasses = 3

/** How often the rows of a move have been handled when it comes into a phase. */
const passesBefore: Partial<Record<MovePhase, number>> = {
  checking: 1,
  cleaning: 2,
  withdrawing: 2,
}

export function rowsOf({ spec }: Move): number {
  return Object.values(spec.rows).reduce((sum, count) => sum + count, 0)
}

/**
 * Shows the events of a move, of which `copied` rows are there already and before which `before` rows of others have
 * been handled.
 */
export function followMove(
  progress: Progress,
  {
    move,
    name,
    copied,
    before,
  }: {
    readonly move: Move
    readonly name: string
    readonly copied: number
    readonly before: number
  },
): (event: MoveProgress) => void {
  const rows = rowsOf(move)
  let from = ''
  return ({ phase, copied: more = 0, compared = 0, cleaned = 0, lag }) => {
    const label = labels[phase]
    if (label === undefined) return
    progress.part(`${name} ${label}`)
    const handled = label === 'copying' ? copied : (passesBefore[phase] ?? 0) * rows
    if (label !== from) progress.reach(before + handled)
    from = label
    if (lag !== undefined) progress.lag(lag)
    if (more + compared + cleaned > 0) progress.add(more + compared + cleaned)
  }
}
