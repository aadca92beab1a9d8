import { describe, expect, test } from 'vitest'
import { z } from 'zod'

import { parseJson, readBytes } from '../src/index.ts'

const encode = (text: string) => new TextEncoder().encode(text)

function chunked(...chunks: readonly string[]) {
  const state = { pulled: 0, isCancelled: false }
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const chunk = chunks[state.pulled]
      state.pulled += 1
      if (chunk === undefined) controller.close()
      else controller.enqueue(encode(chunk))
    },
    cancel: () => {
      state.isCancelled = true
    },
  })
  return { state, body }
}

function request(
  body: string | ReadableStream<Uint8Array> | undefined,
  headers: Record<string, string> = {},
): Request {
  const content = body === undefined ? {} : { body }
  return new Request('http://x/', { method: 'POST', headers, ...content, duplex: 'half' })
}

describe('readBytes', () => {
  test('gives the whole body, however it was cut', async () => {
    const { body } = chunked('{"a":', '', '"é', '"}')

    expect(await readBytes(request(body), 100)).toEqual(encode('{"a":"é"}'))
    expect(await readBytes(request('x'), 100)).toEqual(encode('x'))
    expect(await readBytes(request(undefined), 100)).toEqual(new Uint8Array())
  })

  test('takes what is exactly as large as may be, and refuses one byte more', async () => {
    expect(await readBytes(request('x'.repeat(64)), 64)).toHaveLength(64)
    await expect(readBytes(request('x'.repeat(65)), 64)).rejects.toMatchObject({
      code: 'body_too_large',
      status: 413,
    })
  })

  test('counts what comes when the length that is claimed is a lie', async () => {
    const { body, state } = chunked(...Array.from({ length: 1_000 }, () => 'x'.repeat(100)))

    const reading = readBytes(request(body, { 'content-length': '10' }), 250)

    await expect(reading).rejects.toMatchObject({ code: 'body_too_large' })
    expect(state.pulled).toBeLessThan(10)
    expect(state.isCancelled).toBe(true)
  })

  test('believes a length that is too large, and reads nothing', async () => {
    const { body, state } = chunked('x')

    const reading = readBytes(request(body, { 'content-length': '1000' }), 250)

    await expect(reading).rejects.toMatchObject({ code: 'body_too_large' })
    // A stream pulls one chunk ahead by itself.
    expect(state.pulled).toBeLessThanOrEqual(1)
  })

  test.each(['gzip', 'br', 'identity'])('refuses a body that says it is %s', async (encoding) => {
    const reading = readBytes(request('x', { 'content-encoding': encoding }), 100)

    await expect(reading).rejects.toMatchObject({ code: 'unsupported_media_type', status: 415 })
  })
})

describe('parseJson', () => {
  test.each([
    ['nothing', ''],
    ['half of it', '{"a":'],
    ['two of it', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{}//'],
    ['NaN', 'NaN'],
    ['Infinity', '-Infinity'],
    ['a leading zero', '01'],
    ['a raw control character', '"\u0001"'],
    ['a raw NUL', '"\0"'],
    ['an escaped NUL', '"a\\u0000b"'],
    ['an escaped NUL in a key', '{"a\\u0000":1}'],
    ['a high half alone', '"\\ud800"'],
    ['a low half alone', '"\\uDC00"'],
    ['halves in the wrong order', '"\\udc00\\ud800"'],
    ['a half in a key', '{"\\ud83d":1}'],
    ['a half deep inside', '{"a":[{"b":["\\udbff"]}]}'],
    [
      'a half that is escaped deep in lists',
      `${'['.repeat(200_000)}"\\ud800"${']'.repeat(200_000)}`,
    ],
    ['two million lists that never end', '['.repeat(2_000_000)],
    ['a BOM in the middle', '{}\uFEFF'],
  ])('refuses %s', (_what, text) => {
    expect(() => parseJson(encode(text))).toThrow(
      expect.objectContaining({ code: 'malformed_json', status: 400 }),
    )
  })

  test.each([
    ['a cut character', [0x22, 0xc3, 0x22]],
    ['an overlong NUL', [0x22, 0xc0, 0x80, 0x22]],
    ['a half in bytes', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => parseJson(Uint8Array.from(bytes))).toThrow('it is not JSON')
  })

  test.each([
    ['a BOM before it', '\uFEFF{"a":1}', { a: 1 }],
    ['the last of two keys', '{"a":1,"a":2}', { a: 2 }],
    ['a pair of halves', '"\\ud83d\\ude00"', '😀'],
    ['a backslash before what looks like a half', '"\\\\ud800"', '\\ud800'],
    ['any other escape', '"\\u00e9\\n\\u2028"', 'é\n\u2028'],
    ['space around it', ' \n{}\t', {}],
  ])('takes %s', (_what, text, value) => {
    expect(parseJson(encode(text))).toEqual(value)
  })

  test('reads no prototype out of a body', () => {
    const value = parseJson(
      encode('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}'),
    )

    expect((value as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    expect(z.object({ name: z.string().default('n') }).parse(value)).toEqual({ name: 'n' })
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  test('leaves numbers that are none to the schema, which refuses them', () => {
    const schema = z.object({ n: z.int() })

    for (const n of ['1e400', '-1e400', '1.5', '9007199254740993', '"1"', 'true']) {
      expect(schema.safeParse(parseJson(encode(`{"n":${n}}`))).success).toBe(false)
    }
  })

  test('survives two million lists in each other', () => {
    const text = '['.repeat(2_000_000) + ']'.repeat(2_000_000)

    const outcome = () => {
      try {
        return Array.isArray(parseJson(encode(text)))
      } catch (error) {
        return (error as { code: string }).code === 'malformed_json'
      }
    }

    expect(outcome()).toBe(true)
  })
})
