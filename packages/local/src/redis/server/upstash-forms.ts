import type { Argv } from '../engine.ts'

const scanScript = `
local page = redis.pcall('SCAN', unpack(ARGV))
if page.err then return page end
local listed = {}
for _, key in ipairs(page[2]) do
  listed[#listed + 1] = key
  listed[#listed + 1] = redis.call('TYPE', key).ok
end
return {page[1], listed}
`

/**
 * The EVAL that stands for Upstash's `SCAN … WITHTYPE`, which puts its type after each key; undefined for any other
 * SCAN. Options that are wrong are left in, for the server to refuse.
 *
 * @see https://www.mintlify.com/upstash/redis-js/api/commands/scan
 */
export function scanWithTypes(argv: Argv): Argv | undefined {
  const plain = argv.slice(1, 2)
  let asked = false
  for (let at = 2; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (word.toUpperCase() === 'WITHTYPE') {
      asked = true
      continue
    }
    // What follows MATCH, COUNT and TYPE may itself read WITHTYPE.
    plain.push(word, ...argv.slice(at + 1, at + 2))
    at++
  }
  return asked ? ['EVAL', scanScript, '0', ...plain] : undefined
}

/**
 * The COPY that stays inside its database; undefined when it can be sent as it is.
 *
 * `DB 0`, the only one Upstash has, is left out, since the server counts its databases otherwise. Onto itself Upstash
 * answers 0 where Redis objects.
 */
export function copyWithin(argv: Argv): Argv | undefined {
  const options = argv.slice(3).map((word) => word.toUpperCase())
  const at = options.indexOf('DB')
  if (at >= 0 && options[at + 1] === '0') options.splice(at, 2)
  const isKnown = argv.length >= 3 && options.every((word) => word === 'REPLACE')
  if (isKnown && argv[1] === argv[2]) return ['EVAL', 'return 0', '0']
  return at < 0 ? undefined : [...argv.slice(0, 3), ...options]
}
