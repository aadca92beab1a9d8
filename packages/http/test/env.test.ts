import { expect, test } from 'vitest'

import { InvalidEnvError, platformEnv, readEnv, secretsEqual } from '../src/index.ts'

const good = {
  PUBLIC_URL: 'https://stoa.example/',
  META_URL: 'http://127.0.0.1:1/meta',
  LIBSQL_TOKEN: 'x',
  REDIS_URL: 'https://redis.example',
  REDIS_TOKEN: 'x',
  QSTASH_URL: 'https://qstash.example',
  QSTASH_TOKEN: 'x',
  QSTASH_CURRENT_SIGNING_KEY: 'x',
  QSTASH_NEXT_SIGNING_KEY: 'x',
  OPERATOR_TOKEN: 'o'.repeat(16),
  IMPORT_TOKEN: 'i'.repeat(16),
  STOA_SECRET: 's'.repeat(16),
}

test('an environment that is whole is read, its URLs without a slash at the end', () => {
  expect(readEnv(platformEnv, good)).toEqual({ ...good, PUBLIC_URL: 'https://stoa.example' })
})

test('databases of caches are addresses, each with its token', () => {
  const CACHE_DATABASES = ' https://a.example/  one\nhttps://b.example two '
  expect(readEnv(platformEnv, { ...good, CACHE_DATABASES }).CACHE_DATABASES).toEqual([
    { url: 'https://a.example', token: 'one' },
    { url: 'https://b.example', token: 'two' },
  ])
})

test.each([
  ['CACHE_DATABASES', ''],
  ['CACHE_DATABASES', 'https://a.example'],
  ['CACHE_DATABASES', 'https://a.example hunter2 https://b.example'],
  ['CACHE_DATABASES', 'hunter2 https://a.example'],
  ['PUBLIC_URL', 'ftp://x'],
  ['PUBLIC_URL', undefined],
  ['META_URL', 'file:///x'],
  ['LIBSQL_TOKEN', ''],
  ['OPERATOR_TOKEN', 'hunter2-too-shrt'.slice(1)],
  ['STOA_SECRET', 7],
])('%s as %j is refused by name, and its value is not said', (name, value) => {
  const read = () => readEnv(platformEnv, { ...good, [name]: value })

  expect(read).toThrow(InvalidEnvError)
  expect(read).toThrow(name)
  expect(read).not.toThrow('hunter2')
})

test('all that is wrong is said at once', () => {
  expect(() => readEnv(platformEnv, {})).toThrow(/PUBLIC_URL.*META_URL.*STOA_SECRET/)
})

test.each([
  ['', '', true],
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', 'ab', false],
  ['a'.repeat(1_000), 'a'.repeat(1_000), true],
  ['é', 'e\u0301', false],
])('the secrets %j and %j are equal: %s', async (left, right, equal) => {
  expect(await secretsEqual(left, right)).toBe(equal)
})
