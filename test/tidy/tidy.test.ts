import path from 'node:path'

import { describe, expect, test } from 'vitest'

import { exists, files, homes, read, sectionsOf } from './house.ts'

const headings = ['Guarantees', 'How it works', 'Options', 'Errors', 'Costs', 'Proof', 'Sources']
const documents = files.filter((file) => file.endsWith('.md'))
const sources = files.filter((file) => /^(?:packages|workers)\/[^/]+\/src\/.*\.ts$/.test(file))

describe.each(homes)('%s', (home) => {
  const text = exists(`${home}/README.md`) ? read(`${home}/README.md`) : ''
  const sections = sectionsOf(text)

  test('has a README with the agreed sections', () => {
    expect(headings.filter((heading) => !sections.has(heading))).toEqual([])
  })

  test('shows code that begins with how to use it', () => {
    expect(text).toMatch(/```/)
  })

  test('names only tests that exist in its proof', () => {
    const named = [...(sections.get('Proof') ?? '').matchAll(/`((?:test|src)\/[\w./-]+)`/g)]
    const missing = named
      .map(([, file = '']) => file)
      .filter((file) => !exists(`${home}/${file}`) && !exists(file))
    expect(missing).toEqual([])
  })

  test('reaches no other home but through its package name', () => {
    const strays = sources
      .filter((file) => file.startsWith(`${home}/`))
      .flatMap((file) =>
        [...read(file).matchAll(/(?:from|import\()\s*'([^']+)'/g)]
          .map(([, target = '']) => target)
          .filter((target) =>
            target.startsWith('.')
              ? !path.posix.join(path.posix.dirname(file), target).startsWith(`${home}/`)
              : /^@stoa\/[^/]+\/src\//.test(target),
          )
          .map((target) => `${file} -> ${target}`),
      )
    expect(strays).toEqual([])
  })
})

describe('the house', () => {
  test('has no dead relative link in a document', () => {
    const dead = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .filter(([, to = '']) => !exists(path.posix.join(path.posix.dirname(file), to)))
        .map(([, to = '']) => `${file} -> ${to}`),
    )
    expect(dead).toEqual([])
  })

  test('lists every error code in the Errors table of a README', () => {
    const codes = sources.flatMap((file) =>
      [...read(file).matchAll(/override readonly code(?:: [^=]+)? = '([a-z_]+)'/g)].map(
        ([, code = '']) => code,
      ),
    )
    const listed = homes.flatMap((home) =>
      exists(`${home}/README.md`)
        ? [
            ...(sectionsOf(read(`${home}/README.md`)).get('Errors') ?? '').matchAll(/`([a-z_]+)`/g),
          ].map(([, code = '']) => code)
        : [],
    )
    expect(codes.length).toBeGreaterThan(20)
    expect(codes.filter((code) => !listed.includes(code))).toEqual([])
  })

  test('has a row in the manual of data for every table', () => {
    const tables = files
      .filter((file) => /^drizzle\/.*\.sql$/.test(file))
      .flatMap((file) =>
        [...read(file).matchAll(/^CREATE (?:TABLE|VIEW) "?(\w+)"?/gm)].map(([, table = '']) => ({
          table,
          keyspace: file.split('/')[1] ?? '',
        })),
      )
    const manual = read('drizzle/README.md')
    const missing = tables.filter(({ table, keyspace }) => {
      const own = exists(`drizzle/${keyspace}/README.md`)
        ? read(`drizzle/${keyspace}/README.md`)
        : ''
      return !`${manual}\n${own}`.includes(`\`${table}\``)
    })
    expect(tables.length).toBeGreaterThan(10)
    expect(missing).toEqual([])
  })

  test('links the manual of every keyspace from the manual of data', () => {
    const manual = read('drizzle/README.md')
    const keyspaces = files.flatMap(
      (file) => /^drizzle\/([^/]+)\/README\.md$/.exec(file)?.[1] ?? [],
    )
    expect(keyspaces.filter((keyspace) => !manual.includes(`(${keyspace}/README.md)`))).toEqual([])
  })

  test('names only files and folders that exist in CONTRIBUTING', () => {
    const named = [
      ...read('CONTRIBUTING.md').matchAll(
        /`((?:packages|workers|drizzle|test|docs|bench|tools)\/[\w./-]*)`/g,
      ),
    ]
    expect(named.map(([, file = '']) => file).filter((file) => !exists(file))).toEqual([])
  })

  test('names only scripts that exist in a document', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const unknown = documents.flatMap((file) =>
      [...read(file).matchAll(/npm run ([a-z]+)/g)]
        .map(([, script = '']) => script)
        .filter((script) => !(script in scripts))
        .map((script) => `${file}: npm run ${script}`),
    )
    expect(unknown).toEqual([])
  })

  test('leaves nothing for later in code or documents', () => {
    // Spelt in pieces, or this file would find itself.
    const marks = [
      ['TO', 'DO'],
      ['FIX', 'ME'],
      ['.on', 'ly('],
    ].map((parts) => parts.join(''))
    const found = files
      .filter((file) => /\.(?:ts|mjs|md|sql|toml)$/.test(file))
      .flatMap((file) =>
        marks.filter((mark) => read(file).includes(mark)).map((mark) => `${file}: ${mark}`),
      )
    expect(found).toEqual([])
  })

  test('keeps a worker from depending on another worker', () => {
    const workers = homes.filter(
      (home) => home.startsWith('workers/') && exists(`${home}/package.json`),
    )
    const names = workers.map(
      (home) => (JSON.parse(read(`${home}/package.json`)) as { name: string }).name,
    )
    const wrong = workers
      // The one Worker that is all of them exists to hold them together.
      .filter((home) => home !== 'workers/stoa')
      .flatMap((home) => {
        const { dependencies = {}, devDependencies = {} } = JSON.parse(
          read(`${home}/package.json`),
        ) as {
          dependencies?: object
          devDependencies?: object
        }
        return Object.keys({ ...dependencies, ...devDependencies })
          .filter((name) => names.includes(name))
          .map((name) => `${home} -> ${name}`)
      })
    expect(wrong).toEqual([])
  })
})
