import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { recordBytesMax, splitRecords } from '../../src/import/split-records.ts'

const comma = 0x2c

function split(text: string, delimiter?: number) {
  const bytes = Buffer.from(text)
  const options = { line: 1, isLast: true, ...(delimiter === undefined ? {} : { delimiter }) }
  const { spans } = splitRecords(bytes, options)
  return spans.map(({ from, to, line, broken }) => ({
    text: bytes.subarray(from, to).toString(),
    line,
    broken,
  }))
}

describe('splitRecords', () => {
  test('takes each line of NDJSON that is not empty for a record, and numbers it', () => {
    expect(split('{"a":1}\n\r\n\n{"b":2}\r\n{"c":"\\n"}')).toEqual([
      { text: '{"a":1}', line: 1 },
      { text: '{"b":2}', line: 4 },
      { text: '{"c":"\\n"}', line: 5 },
    ])
  })

  test('keeps quoted line ends, commas and quotes inside a CSV record', () => {
    expect(split('a,"1\n2\r\n3",b\r\n"x""y,\n",z\nlast', comma)).toEqual([
      { text: 'a,"1\n2\r\n3",b', line: 1 },
      { text: '"x""y,\n",z', line: 4 },
      { text: 'last', line: 6 },
    ])
  })

  test('loses one line to a quote that is not closed or closed too early', () => {
    expect(split('good,1\n"open,2\ngood,3\n"shut"x,4\ngood,5\n5" disk,6', comma)).toEqual([
      { text: 'good,1', line: 1 },
      { text: '"open,2', line: 2, broken: 'text follows a closing quote' },
      { text: 'good,3', line: 3 },
      { text: '"shut"x,4', line: 4, broken: 'text follows a closing quote' },
      { text: 'good,5', line: 5 },
      { text: '5" disk,6', line: 6 },
    ])
    expect(split('a,"b\nc,d', comma)).toEqual([
      { text: 'a,"b', line: 1, broken: 'a quote is not closed' },
      { text: 'c,d', line: 2 },
    ])
  })

  test('says of a record over 1 MiB that it is none', () => {
    const long = 'x'.repeat(recordBytesMax + 1)

    const [first, second] = split(`${long}\nshort\n`, comma)

    expect(first?.broken).toBe('it is longer than 1 MiB')
    expect(second).toEqual({ text: 'short', line: 2 })
  })

  test('waits for more bytes where a record may go on', () => {
    for (const text of ['a,b', 'a,"b', 'a,"b"', 'a,"b"\r']) {
      const options = { line: 1, isLast: false, delimiter: comma }
      expect(splitRecords(Buffer.from(text), options)).toEqual({ spans: [], consumed: 0, line: 1 })
    }
  })

  test('cuts valid CSV where csv-parse does', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', 'ü', ' ') })
    const quoted = cell.map((text) => `"${text.replaceAll('"', '""')}"`)
    const plain = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', ' '), minLength: 1 })
    const row = fc.array(fc.oneof(quoted, plain), { minLength: 1, maxLength: 4 })
    const rows = fc.array(row, { maxLength: 6 })
    fc.assert(
      fc.property(rows, fc.constantFrom('\n', '\r\n'), (cells, end) => {
        const text = cells.map((each) => each.join()).join(end)
        const expected = parse(text, {
          record_delimiter: ['\r\n', '\n'],
          relax_column_count: true,
          skip_empty_lines: true,
        })

        const found = split(text, comma)

        expect(found.length).toBe(expected.length)
        for (const [index, { text: record, broken }] of found.entries()) {
          expect(broken).toBeUndefined()
          const [again] = parse(record, { record_delimiter: ['\r\n', '\n'] })
          expect(again).toEqual(expected[index])
        }
      }),
    )
  })

  test('finds in any range of whole records the very records it found in the whole', () => {
    const unit = fc.constantFrom('a', ',', '"', '""', '\n', '\r\n', '"\n', ',"')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), fc.nat(9), fc.nat(9), (text, one, more) => {
        const bytes = Buffer.from(text)
        const options = { line: 1, isLast: true, delimiter: comma }
        const { spans } = splitRecords(bytes, options)
        const part = spans.slice(one, one + more + 1)
        const [first] = part
        if (first === undefined) return
        const end = spans[one + more + 1]?.from ?? bytes.length

        const again = splitRecords(bytes.subarray(first.from, end), {
          ...options,
          line: first.line,
        }).spans

        const moved = again.map((span) => ({
          ...span,
          from: span.from + first.from,
          to: span.to + first.from,
        }))
        expect(moved.map(({ from, to, line }) => [from, to, line])).toEqual(
          part.map(({ from, to, line }) => [from, to, line]),
        )
        expect(moved.map(({ broken }) => broken !== undefined)).toEqual(
          part.map(({ broken }) => broken !== undefined),
        )
      }),
      { numRuns: 2_000 },
    )
  })
})
