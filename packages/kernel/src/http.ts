/**
 * Sends a request and answers with whatever the other side said, whatever its status.
 *
 * The port through which a service reaches another: `fetch`, a service binding's `fetch`, or the
 * in-process app. Rejects only when there is no answer.
 */
export type Fetcher = (request: Request) => Promise<Response>

/** What a rejected fetch says about the request: it never left, or nobody knows. */
export type FetchFailure = 'not_sent' | 'unknown'

/** System errors after which no byte of the request can have reached the other side. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * Judges what a fetch was rejected with. Only a proof that the request was not sent counts as such: a
 * reset, a timeout, an abort and every failure in workerd (which gives no code) are `unknown`.
 */
export function failureOfFetch(thrown: unknown): FetchFailure {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && beforeSending.has(String(error.code))) return 'not_sent'
    if (error instanceof AggregateError && error.errors.length > 0) {
      return error.errors.every((one) => failureOfFetch(one) === 'not_sent')
        ? 'not_sent'
        : 'unknown'
    }
  }
  return 'unknown'
}
