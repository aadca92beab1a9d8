import { HttpFault } from './http-fault.ts'

/** What a body may weigh when its route says nothing. */
export const bodyBytesMaxDefault = 64 * 1024

/**
 * The whole body, or a refusal before more than `max` bytes are held.
 *
 * @throws HttpFault `body_too_large`; `unsupported_media_type` for a compressed body, whose true size is unknown.
 */
export async function readBytes(request: Request, max: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new HttpFault('body_too_large', `Cannot read the body: it is over ${max} bytes`)
  if (Number(request.headers.get('content-length') ?? 0) > max) throw tooLarge()
  if (request.headers.has('content-encoding')) {
    throw new HttpFault(
      'unsupported_media_type',
      'Cannot read the body: compressed bodies are not taken',
    )
  }
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > max) throw tooLarge()
    chunks.push(chunk)
  }
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/** Escapes by which JSON can say what no well-formed text holds: half a surrogate pair, or NUL. */
const suspicious = /\\u(?:[dD][89a-fA-F]|0000)/

function isSound(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, each]) => isSound(key) && isSound(each))
}

/**
 * The JSON in `bytes`.
 *
 * @throws HttpFault `malformed_json` when it is not UTF-8, not JSON, or holds text that is not well formed.
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
    const value: unknown = JSON.parse(text)
    if (!suspicious.test(text) || isSound(value)) return value
  } catch (error) {
    throw new HttpFault('malformed_json', 'Cannot read the body: it is not JSON', { cause: error })
  }
  throw new HttpFault(
    'malformed_json',
    'Cannot read the body: it holds text that is not well formed',
  )
}

/** @throws HttpFault `unsupported_media_type` unless the body says it is JSON: no HTML form can send that unasked. */
export function requireJson(request: Request): void {
  const type = request.headers.get('content-type') ?? ''
  if (/^application\/json\s*(?:;|$)/i.test(type)) return
  throw new HttpFault(
    'unsupported_media_type',
    `Cannot read the body: it must be application/json, not "${type}"`,
  )
}
