import { expect, inject, test } from 'vitest'

import { readConfig } from '../src/env.ts'

const env = inject('stoaEnv')

test('two logs and a cache are read', () => {
  const { logs, hot } = readConfig(env)

  expect(logs).toHaveLength(2)
  expect(env['CACHE_DATABASES']).toContain(hot.url)
})

test('without variables of its own the log is the database of Redis', () => {
  const { COUNTING_LOGS: _, ...rest } = env

  expect(readConfig(rest).logs.map(({ url }) => url)).toEqual([env['REDIS_URL']])
})

test.each([
  ['a log in the database of a cache', { COUNTING_LOGS: env['CACHE_DATABASES'] }],
  ['one database for everything', { COUNTING_LOGS: undefined, CACHE_DATABASES: undefined }],
  ['one log twice', { COUNTING_LOGS: `${env['COUNTING_LOGS']} ${env['COUNTING_LOGS']}` }],
  ['a log without its token', { COUNTING_LOGS: 'https://log.example' }],
])('%s stops the start, by the name of the variable', (_what, wrong) => {
  const given = Object.entries({ ...env, ...wrong }).filter(([, value]) => value !== undefined)

  expect(() => readConfig(Object.fromEntries(given))).toThrow(/COUNTING_LOGS/)
})
