/* oxlint-disable max-lines-per-function -- a suite is a list of promises, not a procedure */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { rootCall } from '../call.ts'
import type { RedisCommand, RedisPort } from '../redis.ts'

/** A port under test; `close` gives back what `make` took. */
export type RedisFixture = { readonly port: RedisPort; readonly close: () => Promise<void> }

const call = rootCall('redis-contract')

/** What every {@link RedisPort} promises. `make` opens an empty database. */
export function redisContract(name: string, make: () => Promise<RedisFixture>): void {
  describe(`${name} keeps the Redis contract: it`, () => {
    let fixture: RedisFixture
    beforeAll(async () => {
      fixture = await make()
    })
    afterAll(() => fixture.close())

    const run = (...command: RedisCommand) => fixture.port.run(command, call, { idempotent: false })

    test.for([
      ['plain', 'value'],
      ['empty', ''],
      ['digits', '0012'],
      ['JSON', '{"a":[1,null]}'],
      ['beyond ASCII', 'Στοά 🏛\n"\\'],
      ['base64-like', 'T0s='],
      ['OK', 'OK'],
      ['null', 'null'],
    ])('gives text back as it was: %s', async ([key, value]) => {
      expect(await run('SET', `text:${key}`, value ?? '')).toBe('OK')
      expect(await run('GET', `text:${key}`)).toBe(value)
    })

    test('gives null for what is not there', async () => {
      expect(await run('GET', 'absent')).toBeNull()
    })

    test('gives whole numbers as numbers', async () => {
      expect(await run('INCRBY', 'number', 41)).toBe(41)
      expect(await run('INCR', 'number')).toBe(42)
      expect(await run('GET', 'number')).toBe('42')
    })

    test('gives lists with their holes', async () => {
      await run('SET', 'list:1', 'a')

      expect(await run('MGET', 'list:1', 'absent', 'list:1')).toEqual(['a', null, 'a'])
    })

    test('keeps the conditions of SET', async () => {
      expect(await run('SET', 'once', '1', 'NX')).toBe('OK')
      expect(await run('SET', 'once', '2', 'NX')).toBeNull()
      expect(await run('SET', 'never', '1', 'XX')).toBeNull()
      expect(await run('GET', 'once')).toBe('1')
    })

    test('counts the keys it deletes', async () => {
      await run('SET', 'gone:1', '1')

      expect(await run('DEL', 'gone:1', 'gone:2')).toBe(1)
      expect(await run('EXISTS', 'gone:1')).toBe(0)
    })

    test('keeps the time to live', async () => {
      await run('SET', 'brief', '1', 'PX', 60_000)

      expect(await run('PTTL', 'brief')).toSatisfy((ms) => Number(ms) > 0 && Number(ms) <= 60_000)
      expect(await run('PTTL', 'once')).toBe(-1)
      expect(await run('PTTL', 'absent')).toBe(-2)
    })

    test('throws what Redis refuses, with its word', async () => {
      await run('SET', 'word', 'x')

      await expect(run('INCR', 'word')).rejects.toMatchObject({
        code: 'redis_command',
        word: 'ERR',
      })
    })

    test('answers each command of a pipeline, in order, past the one that fails', async () => {
      const answers = await fixture.port.pipeline(
        [
          ['SET', 'pipe', 'x'],
          ['INCR', 'pipe'],
          ['GET', 'pipe'],
        ],
        call,
        { idempotent: false },
      )

      expect(
        answers.map((answer) => ('error' in answer ? answer.error.slice(0, 3) : answer.result)),
      ).toEqual(['OK', 'ERR', 'x'])
    })

    test('does nothing for an empty pipeline', async () => {
      await expect(fixture.port.pipeline([], call, { idempotent: true })).resolves.toEqual([])
    })

    test('sends nothing for a call that is over, and throws its reason', async () => {
      const over = { ...call, signal: AbortSignal.abort(new Error('hung up')) }

      await expect(
        fixture.port.run(['SET', 'late', '1'], over, { idempotent: false }),
      ).rejects.toThrow('hung up')
      expect(await run('GET', 'late')).toBeNull()
    })
  })
}
