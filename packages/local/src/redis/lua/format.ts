import type { Bytes } from '../bytes.ts'
import { bytesOfBuffer } from '../bytes.ts'
import { formatG } from '../memory/numbers.ts'
import { auxiliary, bytesAt, lua, pushBytes, raise, type State } from './fengari.ts'

const directive = /%([-+ #0]*)(\d{0,2})(?:\.(\d{0,2}))?([a-zA-Z%])/g

type Directive = {
  readonly flags: string
  readonly width: number
  readonly precision: number | undefined
}

/**
 * `string.format` of Lua 5.1, where `%d` takes any double; 5.3 refuses fractions and fengari whatever exceeds
 * 32 bits.
 */
export function stringFormat(state: State): number {
  let argument = 1
  let failure: string | undefined
  const result = bytesAt(state, 1).replaceAll(
    directive,
    (
      ...[spelled, flags, width, precision, kind]: readonly [
        string,
        string,
        string,
        string?,
        string?,
      ]
    ) => {
      if (kind === '%') return '%'
      argument++
      const how = {
        flags,
        width: Number(width),
        precision: precision === undefined ? undefined : Number(precision),
      }
      const text = formatted(state, argument, { how, kind: kind ?? '' })
      if (text === undefined) failure ??= complaint(state, argument, spelled)
      return text ?? ''
    },
  )
  if (failure !== undefined) return raise(state, failure)
  pushBytes(state, result)
  return 1
}

function complaint(state: State, argument: number, spelled: string): string {
  const type = lua.lua_type(state, argument)
  if (argument > lua.lua_gettop(state)) {
    return `bad argument #${argument} to 'format' (no value)`
  }
  if (/[cdiouxXeEfgGqsa]$/.test(spelled)) {
    const name = bytesOfBuffer(lua.lua_typename(state, type))
    return `bad argument #${argument} to 'format' (number expected, got ${name})`
  }
  return `invalid option '${spelled}' to 'format'`
}

function formatted(
  state: State,
  argument: number,
  { how, kind }: { readonly how: Directive; readonly kind: string },
): Bytes | undefined {
  if (argument > lua.lua_gettop(state)) return undefined
  if (kind === 's') {
    const text = textAt(state, argument)
    return padded(how.precision === undefined ? text : text.slice(0, how.precision), how)
  }
  if (kind === 'q') return quoted(bytesAt(state, argument))
  const isNumber =
    lua.lua_type(state, argument) === lua.LUA_TNUMBER ||
    /^\s*[-+]?(?:\d|\.\d)/.test(bytesAt(state, argument))
  return isNumber ? numberText(lua.lua_tonumber(state, argument), kind, how) : undefined
}

function textAt(state: State, index: number): Bytes {
  if (lua.lua_type(state, index) === lua.LUA_TNUMBER) {
    lua.lua_pushvalue(state, index)
    const text = bytesAt(state, -1)
    lua.lua_pop(state, 1)
    return text
  }
  const text = bytesOfBuffer(auxiliary.luaL_tolstring(state, index))
  lua.lua_pop(state, 1)
  return text
}

function numberText(value: number, kind: string, how: Directive): Bytes | undefined {
  const precision = how.precision ?? 6
  switch (kind) {
    case 'd':
    case 'i':
      return signed(integerDigits(value, how), value < 0, how)
    case 'u':
      return padded(BigInt.asUintN(64, whole(value)).toString(), how)
    case 'c':
      return padded(String.fromCharCode(value & 255), how)
    case 'o':
      return padded(BigInt.asUintN(64, whole(value)).toString(8), how)
    case 'x':
    case 'X': {
      const digits = BigInt.asUintN(64, whole(value))
        .toString(16)
        .padStart(how.precision ?? 1, '0')
      const text = how.flags.includes('#') && value !== 0 ? `0x${digits}` : digits
      return padded(kind === 'X' ? text.toUpperCase() : text, how)
    }
    case 'f':
      return signed(
        finite(value, (size) => size.toFixed(precision)),
        value < 0,
        how,
      )
    case 'e':
    case 'E':
    case 'g':
    case 'G': {
      const text = finite(value, (size) =>
        kind.toLowerCase() === 'g' ? formatG(size, precision || 1) : exponential(size, precision),
      )
      return signed(kind === kind.toUpperCase() ? text.toUpperCase() : text, value < 0, how)
    }
  }
  return undefined
}

function whole(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : -(2n ** 63n)
}

function integerDigits(value: number, { precision }: Directive): string {
  const number = whole(value)
  return (number < 0n ? -number : number).toString().padStart(precision ?? 1, '0')
}

function finite(value: number, text: (size: number) => string): string {
  if (Number.isNaN(value)) return 'nan'
  return Number.isFinite(value) ? text(Math.abs(value)) : 'inf'
}

function exponential(size: number, precision: number): string {
  return size.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2')
}

function signed(digits: string, negative: boolean, how: Directive): Bytes {
  const plus = how.flags.includes('+') ? '+' : how.flags.includes(' ') ? ' ' : ''
  const sign = negative ? '-' : plus
  const zeros = how.flags.includes('0') && !how.flags.includes('-')
  return padded(sign + (zeros ? digits.padStart(how.width - sign.length, '0') : digits), how)
}

function padded(text: Bytes, { flags, width }: Directive): Bytes {
  return flags.includes('-') ? text.padEnd(width) : text.padStart(width)
}

function quoted(text: Bytes): Bytes {
  const body = text.replaceAll(/["\\\n\r\0]/g, (symbol) => {
    if (symbol === '\r') return '\\r'
    return symbol === '\0' ? '\\000' : `\\${symbol}`
  })
  return `"${body}"`
}
