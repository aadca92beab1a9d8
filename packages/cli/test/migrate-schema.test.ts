import { expect, test } from 'vitest'

import { differencesOf, normalised } from '../src/migrate-schema.ts'

test.for([
  [
    'spaces and comments',
    'CREATE  TABLE a (\n  b TEXT -- the b\n)',
    'CREATE TABLE a (b /* the b */ TEXT)',
  ],
  ['quotes around names', 'CREATE TABLE "a" (`b` TEXT, [c] INT)', 'create table a (b text, c int)'],
] as const)('normalised makes nothing of %s', ([, one, other]) => {
  expect(normalised(one)).toBe(normalised(other))
})

test.for([
  ['a text', "CREATE TABLE a (b DEFAULT 'x')", "CREATE TABLE a (b DEFAULT 'X')"],
  ['a comment in a text', "CREATE TABLE a (b DEFAULT '--x')", "CREATE TABLE a (b DEFAULT '--y')"],
  ['a sign', 'CREATE TABLE a (b CHECK (b > 0))', 'CREATE TABLE a (b CHECK (b >= 0))'],
  ['a word', 'CREATE TABLE a (b TEXT)', 'CREATE TABLE a (b TEXT NOT NULL)'],
] as const)('normalised keeps %s', ([, one, other]) => {
  expect(normalised(one)).not.toBe(normalised(other))
})

test('differencesOf names what is missing, foreign and changed', () => {
  const table = (name: string, sql: string) => ({ type: 'table', name, sql })

  const found = differencesOf(
    [table('a', '1'), table('b', '2'), table('d', '4')],
    [table('a', '1'), table('b', '3'), table('c', '3')],
  )

  expect(found).toEqual([
    { kind: 'changed', type: 'table', name: 'b' },
    { kind: 'missing', type: 'table', name: 'c' },
    { kind: 'foreign', type: 'table', name: 'd' },
  ])
})
