import { describe, expect, test } from 'vitest'

import { clientEnv, InvalidConfigError, readConfig } from '../src/index.ts'

describe('readConfig', () => {
  test('takes a flag before a variable, and a variable before the default', () => {
    const env = { STOA_LIBSQL_PORT: '1001', STOA_REDIS_PORT: '1002' }

    const { ports } = readConfig(['--libsql-port', '2001'], env)

    expect(ports).toEqual({ libsql: 2001, redis: 1002, qstash: 8793, psp: 8794 })
  })

  test.each([
    [['--redis-port', 'many'], {}, '--redis-port is "many"'],
    [[], { STOA_QSTASH_PORT: '70000' }, 'STOA_QSTASH_PORT is "70000"'],
    [['--redis-engine', 'memcached'], {}, '--redis-engine is "memcached"'],
    [['--verbose'], {}, '--verbose'],
    [[], { NODE_ENV: 'production' }, 'NODE_ENV is "production"'],
  ])('stops at %j %j and says what is wrong', (argv, env, words) => {
    expect(() => readConfig(argv, env)).toThrow(InvalidConfigError)
    expect(() => readConfig(argv, env)).toThrow(words)
  })
})

test('clientEnv names what the official clients read', () => {
  expect(clientEnv({ libsql: 1, redis: 2, qstash: 3 })).toMatchObject({
    TURSO_DATABASE_URL: 'http://127.0.0.1:1',
    UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:2',
    QSTASH_URL: 'http://127.0.0.1:3',
    QSTASH_CURRENT_SIGNING_KEY: expect.stringMatching(/^sig_/) as string,
  })
})
