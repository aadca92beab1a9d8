import { type Call, type Clock, within } from '@stoa/kernel'

import { ProviderMissingError } from './faults.ts'
import type { Answer, Found, Provider } from './provider.ts'

/** The providers of a deployment. */
export type Providers = {
  /** Which takes new payments. @throws ProviderMissingError */
  current(this: void): Provider
  /** @throws ProviderMissingError */
  named(this: void, name: string): Provider
}

/** How long a provider may take: half of what an action of a saga has, so that it can be asked once more. */
const operationMsMax = 5_000
const queryMsMax = 3_000

export function providersOf(all: readonly Provider[], current: string | undefined): Providers {
  const named = (name: string): Provider => {
    const found = all.find((each) => each.name === name)
    if (found === undefined) throw new ProviderMissingError(name)
    return found
  }
  return { named, current: () => named(current ?? 'none') }
}

/** Rejects when `call` ends: a library need not listen to its signal. */
function ended({ signal }: Call): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}

/** A provider that is not waited for longer than it is worth: what is late is unknown. */
export function impatient(provider: Provider, clock: Clock): Provider {
  const limited = async <T extends Found>(
    call: Call,
    ms: number,
    work: (each: Call) => Promise<T>,
  ): Promise<T | Extract<Answer, { outcome: 'unknown' }>> => {
    const narrow = within(call, ms, clock)
    try {
      return await Promise.race([work(narrow), ended(narrow)])
    } catch (error) {
      // The caller's own end is the caller's to hear of; only the provider's lateness is an answer.
      call.signal.throwIfAborted()
      if (!narrow.signal.aborted) throw error
      return { outcome: 'unknown', why: 'it took too long' }
    }
  }
  return {
    name: provider.name,
    statement: (day, call) => provider.statement(day, call),
    readCallback: (request, body) => provider.readCallback(request, body),
    authorise: (request, call) =>
      limited(call, operationMsMax, (each) => provider.authorise(request, each)),
    operate: (request, call) =>
      limited(call, operationMsMax, (each) => provider.operate(request, each)),
    query: (which, call) => limited(call, queryMsMax, (each) => provider.query(which, each)),
  }
}
