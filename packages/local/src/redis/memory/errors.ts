import type { Argv } from '../engine.ts'
import { ReplyError } from '../reply.ts'

export const wrongType = (): ReplyError =>
  new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
export const syntaxError = (): ReplyError => new ReplyError('ERR syntax error')
export const notInteger = (): ReplyError =>
  new ReplyError('ERR value is not an integer or out of range')
export const notFloat = (): ReplyError => new ReplyError('ERR value is not a valid float')
export const noSuchKey = (): ReplyError => new ReplyError('ERR no such key')
export const mustBePositive = (): ReplyError =>
  new ReplyError('ERR value is out of range, must be positive')
export const wrongArity = (name: string): ReplyError =>
  new ReplyError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`)

const quotedLimit = 128

/** Redis quotes at most 128 bytes of the name and of the arguments, each argument whole. */
export function unknownCommand(argv: Argv): ReplyError {
  const [name = '', ...rest] = argv
  let quoted = ''
  for (const argument of rest) {
    if (quoted.length >= quotedLimit) break
    quoted += `'${argument.slice(0, quotedLimit - quoted.length)}' `
  }
  return new ReplyError(
    `ERR unknown command '${name.slice(0, quotedLimit)}', with args beginning with: ${quoted}`,
  )
}
