import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { describe, expect, test } from 'vitest'

import { hashOf, ketama, type KetamaOptions, ketamaRing } from '../../src/placement/ketama.ts'
import { invalid } from './refusals.ts'

/** The npm package hashring, which has no types. */
const require = createRequire(import.meta.url)
const HashRing = require('hashring') as new (
  servers: Readonly<Record<string, number>>,
  hash?: string,
  options?: { readonly compatibility?: string; readonly 'max cache size'?: number },
) => { get(key: string): string }
const fixtures = `${require.resolve('hashring').replace(/index\.js$/, '')}tests/fixtures`

const nodesOf = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([name, weight]) => ({ name, weight }))

const fiveServers = { '0.0.0.1': 1, '0.0.0.2': 2, '0.0.0.3': 3, '0.0.0.4': 4, '0.0.0.5': 5 }
const libketamaServers = {
  '10.0.1.1:11211': 600,
  '10.0.1.2:11211': 300,
  '10.0.1.3:11211': 200,
  '10.0.1.4:11211': 350,
  '10.0.1.5:11211': 1000,
  '10.0.1.6:11211': 800,
  '10.0.1.7:11211': 950,
  '10.0.1.8:11211': 100,
}

const withoutPort = (weights: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [name.replace(/:11211$/, ''), weight]),
  )

describe('ketamaRing', () => {
  // RJ/ketama, libketama/test.sh: the MD5 of an empty line and a line "hash point address" for each key.
  test('agrees with libketama on 1,000,000 keys, hash and point and server', () => {
    const find = ketamaRing(nodesOf(libketamaServers), { digests: 40, pointsPerDigest: 4 })
    const output = createHash('md5').update('\n')
    const first: string[] = []
    for (let key = 0, lines = ''; key < 1_000_000; key += 1) {
      const hash = hashOf(String(key))
      const { point, node } = find(hash)
      lines += `${hash} ${point} ${node.name}\n`
      if (key < 3) first.push(`${hash} ${point} ${node.name}`)
      if (key % 1_000 === 999) {
        output.update(lines)
        lines = ''
      }
    }

    expect(first).toEqual([
      '2216742351 2217271743 10.0.1.1:11211',
      '943901380 949045552 10.0.1.5:11211',
      '2373066440 2374693370 10.0.1.6:11211',
    ])
    expect(output.digest('hex')).toBe('5672b131391f5aa2b280936aec1eea74')
  }, 60_000)

  test('hashes a key as node-hashring does', () => {
    expect(hashOf('test')).toBe(3446378249)
  })

  // libmemcached leaves the default port out of the names of its servers.
  test('agrees with libmemcached, hash and point and server', () => {
    const nodes = nodesOf(withoutPort(libketamaServers))
    const find = ketamaRing(nodes, { digests: 40, pointsPerDigest: 4 })
    const noted = JSON.parse(readFileSync(`${fixtures}/libmemcached.json`, 'utf8')) as readonly [
      string,
      number,
      number,
      string,
    ][]

    const found = noted.map(([key]) => {
      const { point, node } = find(hashOf(key))
      return [key, hashOf(key), point, node.name]
    })

    expect(noted).toHaveLength(99)
    expect(found).toEqual(noted)
  })
})

describe('ketama', () => {
  const addresses = ['0.0.0.1', '0.0.0.2', '0.0.0.3', '0.0.0.4:11213', '0.0.0.5:11212']
  const fiveAddresses = Object.fromEntries(addresses.map((address) => [address, 1]))

  test.each<[string, KetamaOptions, Readonly<Record<string, number>>]>([
    ['ketama', {}, fiveServers],
    ['hash_ring', { pointsPerDigest: 3 }, fiveServers],
    ['pylibmc', {}, fiveAddresses],
  ])(
    'places 100,000 keys as the fixture of %s says',
    (name, options, weights) => {
      const locate = ketama(options)(nodesOf(weights))
      const lines = readFileSync(`${fixtures}/${name}.txt`, 'utf8').trim().split('\n')

      const wrong = lines
        .map((line) => line.trim().split(/\s+/))
        .filter(([key = '', server = '']) => locate(key).name !== server.replace(/:11211$/, ''))

      expect(lines).toHaveLength(100_000)
      expect(wrong).toEqual([])
    },
    60_000,
  )

  test('places 100,000 keys as node-hashring itself does', () => {
    const locate = ketama()(nodesOf(libketamaServers))
    const ring = new HashRing(libketamaServers)
    const keys = Array.from({ length: 100_000 }, (_, index) => `user:${index}`)

    expect(keys.filter((key) => locate(key).name !== ring.get(key))).toEqual([])
  }, 60_000)

  test('wraps a key beyond the last point round to the first', () => {
    const key = 'VDEAAAAA'
    const find = ketamaRing(nodesOf(libketamaServers), { digests: 40, pointsPerDigest: 4 })

    expect(hashOf(key)).toBe(0xfffcd1b5)
    expect(find(hashOf(key))).toEqual(find(0))
    expect(ketama()(nodesOf(libketamaServers))(key).name).toBe(
      new HashRing(libketamaServers).get(key),
    )
  })

  test.each([0, 1.5, -1])('refuses %s digests', (digests) => {
    expect(() => ketama({ digests })).toThrow(invalid)
  })

  test.each([0, 5, 2.5])('refuses %s points of a digest', (pointsPerDigest) => {
    expect(() => ketama({ pointsPerDigest })).toThrow(invalid)
  })
})
