import type { Random } from '@stoa/kernel'

import type { DeliveryState, DueDelivery } from './delivery.ts'
import type { Acknowledgement } from './endpoint.ts'
import { nextAttemptAt } from './schedule.ts'

/** What a receiver answered to one attempt. */
export type Answer = {
  /** Absent when no answer came; then `error` says why. */
  readonly status: number | undefined
  readonly error: 'timeout' | 'network' | undefined
  /** How its body began. */
  readonly text: string
  readonly retryAfter: string | null
  readonly begun: number
  readonly ended: number
}

/** What becomes of a delivery. */
export type Outcome = {
  readonly state: DeliveryState
  /** When the next attempt is due, of a pending one. */
  readonly nextAt: number
  /** The receiver never wants to be called again. */
  readonly isGone: boolean
  /** The receiver did as it should: its endpoint is healthy. */
  readonly isWell: boolean
}

const goneStatus = 410

/** Whether a body is one of the two words by which payment providers let receivers acknowledge. */
function saysSuccess(text: string): boolean {
  const trimmed = text.trim()
  if (trimmed === 'success') return true
  try {
    const parsed: unknown = JSON.parse(trimmed)
    return (
      typeof parsed === 'object' && parsed !== null && 'code' in parsed && parsed.code === 'SUCCESS'
    )
  } catch {
    return false
  }
}

function isWellAnswered({ status, text }: Answer, acknowledgement: Acknowledgement): boolean {
  if (status === undefined || status < 200 || status > 299) return false
  return acknowledgement !== 'body' || saysSuccess(text)
}

type Tried = Pick<DueDelivery, 'attempts' | 'earlier' | 'acknowledgement'>

/** Judges the answer to an attempt at `delivery`. */
export function outcomeOf(answer: Answer, delivery: Tried, random: Random): Outcome {
  if (answer.status === goneStatus) {
    return { state: 'failed', nextAt: 0, isGone: true, isWell: false }
  }
  const isWell = isWellAnswered(answer, delivery.acknowledgement)
  if (isWell && delivery.acknowledgement !== 'call') {
    return { state: 'delivered', nextAt: 0, isGone: false, isWell }
  }
  const attempts = delivery.attempts - delivery.earlier + 1
  const nextAt = nextAttemptAt({ ...answer, attempts }, random)
  const state = nextAt === undefined ? 'failed' : 'pending'
  return { state, nextAt: nextAt ?? 0, isGone: false, isWell }
}
