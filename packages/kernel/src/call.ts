import { type Clock, timeout } from './clock.ts'
import { Fault } from './fault.ts'

/** What travels with every request, from the gateway to the last query. */
export type Call = {
  /** Names the request in logs, meters and outgoing headers. Not secret, not unique by force. */
  readonly requestId: string
  /** Aborts when the caller hangs up or the deadline passes, whichever is first. */
  readonly signal: AbortSignal
  /** The last moment, in milliseconds since 1970 by the clock, at which an answer is still of use. */
  readonly deadline?: number
}

/** The deadline of a {@link Call} passed before the work was done. */
export class DeadlineExceededError extends Fault {
  override readonly name = 'DeadlineExceededError'
  override readonly code = 'deadline_exceeded'
  override readonly kind = 'deadline_exceeded'
  override readonly retryable = true
  readonly requestId: string

  constructor(requestId: string, options?: ErrorOptions) {
    super(`Cannot answer request "${requestId}" in time: its deadline has passed`, options)
    this.requestId = requestId
  }
}

/** A call that nothing aborts and no deadline bounds: for jobs, tests and the start of a process. */
export function rootCall(requestId: string): Call {
  return { requestId, signal: new AbortController().signal }
}

/**
 * Narrows `call` to at most `ms` milliseconds from now. Never widens it: the caller's own signal and
 * deadline still hold. The signal then aborts with a {@link DeadlineExceededError}.
 *
 * Costs one timer, kept until it fires or the call is garbage.
 */
export function within(call: Call, ms: number, clock: Clock): Call {
  const now = clock.now()
  const deadline = Math.min(call.deadline ?? Infinity, now + Math.max(0, ms))
  if (deadline === call.deadline) return call
  const late = new AbortController()
  const alarm = timeout(deadline - now, clock)
  const expire = () => late.abort(new DeadlineExceededError(call.requestId))
  if (alarm.aborted) expire()
  else alarm.addEventListener('abort', expire, { once: true })
  return { ...call, deadline, signal: AbortSignal.any([call.signal, late.signal]) }
}

/** Milliseconds left before the deadline, at least 0; `Infinity` when there is none. */
export function remainingMs(call: Call, clock: Clock): number {
  return Math.max(0, (call.deadline ?? Infinity) - clock.now())
}
