import { rawDestination } from '../destination.ts'
import { flatten } from '../header-names.ts'
import type { FlatHeaders } from '../header-names.ts'
import { Refusal } from '../refusal.ts'
import type { ApiRequest } from './request.ts'

/** What one publish asks for, however it came in. */
export type Wish = {
  readonly destination: string
  readonly headers: FlatHeaders
  readonly body: Buffer
  readonly queueName?: string | undefined
}

/** The exchange carries no peer address, and the server listens on loopback only. */
export const callerIp = '127.0.0.1'

/** One item of a batch. @throws Refusal 400 when it has not the shape of a message. */
export function readItem(item: unknown): Wish {
  if (typeof item !== 'object' || item === null) throw new Refusal(400, 'message is no object')
  const { destination, headers, body, queue }: Record<string, unknown> = { ...item }
  if (typeof destination !== 'string') throw new Refusal(400, 'destination is missing')
  if (typeof (body ?? '') !== 'string') throw new Refusal(400, 'body must be a string')
  if (typeof (queue ?? '') !== 'string') throw new Refusal(400, 'queue must be a string')
  const flat = typeof headers === 'object' && headers !== null ? flatten({ ...headers }) : {}
  return {
    destination,
    headers: flat,
    body: Buffer.from(typeof body === 'string' ? body : ''),
    queueName: typeof queue === 'string' && queue !== '' ? queue : undefined,
  }
}

/** Settings in the query give way to headers of the same name. */
export function readWish(request: ApiRequest, rest: string): Wish {
  const { destination, settings } = rawDestination(rest, request.query)
  const { headers, body } = request.exchange
  return { destination, headers: { ...settings, ...headers }, body: Buffer.from(body) }
}
