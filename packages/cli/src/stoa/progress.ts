import { systemClock } from '@stoa/kernel'
import type { MovePhase, MoveProgress } from '@stoa/resharding'
import { SingleBar } from 'cli-progress'

import type { Output } from './output.ts'

/** How often a line of progress is written for programs, in milliseconds. */
const lineMs = 500

/** What is shown of work that counts rows. */
export type Progress = {
  /** Work of a name, of so many rows, of which some are done. */
  begin(label: string, total: number, done?: number): void
  /** The total, when it becomes known on the way. */
  expect(total: number): void
  add(rows: number): void
  /** Changes captured and not yet replayed. */
  lag(changes: number): void
  stop(): void
}

/** Rows a second, and the seconds that are left. */
function paceOf({ done, total, before, begun }: State): { rate: number; etaSeconds: number } {
  const rate = ((done - before) * 1_000) / Math.max(1, systemClock.now() - begun)
  const etaSeconds = rate > 0 ? Math.max(0, total - done) / rate : 0
  return { rate: Math.round(rate), etaSeconds: Math.round(etaSeconds) }
}

type State = {
  label: string
  total: number
  done: number
  before: number
  begun: number
  lag: number
  written: number
}

/** A bar on a terminal; JSON lines for programs; one line at the end of each part elsewhere. */
export function progressOf(output: Output): Progress {
  const bar = new SingleBar({
    format: '{label} {bar} {value}/{total} rows | {rate}/s | ETA {left} s | lag {lag}',
    stream: process.stderr,
    noTTYOutput: false,
  })
  const isBar = !output.isJson && process.stderr.isTTY
  const state: State = { label: '', total: 0, done: 0, before: 0, begun: 0, lag: 0, written: 0 }
  const show = (isLast: boolean): void => {
    if (state.label === '') return
    const { label, total, done, lag } = state
    const { rate, etaSeconds } = paceOf(state)
    if (isBar) bar.update(done, { rate, left: etaSeconds, lag })
    const now = systemClock.now()
    if (output.isJson && (isLast || now - state.written >= lineMs)) {
      state.written = now
      const counts = { done, total, rowsPerSecond: rate, etaSeconds, lag }
      output.tell({ event: 'progress', what: label, ...counts }, '')
    }
    if (isLast && !isBar) output.note(`${label}: ${done} of ${total} rows, ${rate}/s`)
  }
  const stop = (): void => {
    show(true)
    if (isBar && state.label !== '') bar.stop()
    state.label = ''
  }
  return {
    begin: (label, total, done = 0) => {
      if (label === state.label) return
      stop()
      const now = systemClock.now()
      Object.assign(state, { label, total, done, before: done, begun: now, lag: 0, written: 0 })
      if (isBar) bar.start(total, done, { label, rate: 0, left: 0, lag: 0 })
    },
    expect: (total) => {
      state.total = total
      if (isBar) bar.setTotal(total)
    },
    add: (rows) => {
      state.done += rows
      // Rows that were written meanwhile are moved too.
      if (state.done > state.total) {
        state.total = state.done
        if (isBar) bar.setTotal(state.total)
      }
      show(false)
    },
    lag: (changes) => {
      state.lag = changes
      show(false)
    },
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

/** Shows the events of a move. */
export function followMove(
  progress: Progress,
  { id, rows, copied }: { readonly id: string; readonly rows: number; readonly copied: number },
): (event: MoveProgress) => void {
  return ({ phase, copied: more = 0, compared = 0, cleaned = 0, lag }) => {
    const label = labels[phase]
    if (label === undefined) return
    progress.begin(`${id} ${label}`, rows, label === 'copying' ? copied : 0)
    if (lag !== undefined) progress.lag(lag)
    if (more + compared + cleaned > 0) progress.add(more + compared + cleaned)
  }
}
