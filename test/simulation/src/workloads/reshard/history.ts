import type { Model } from '../../checkers/linearizability.ts'

/** What a client asks of one object: a register, a counter or a seat. Written values are unique. */
export type Input =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: number }
  | { readonly kind: 'cas'; readonly expect: number; readonly value: number }
  | { readonly kind: 'add' }

/** Which of an owner's objects. */
export type ObjectKind = 'register' | 'tally' | 'seat'

/** One operation, as the client that asked for it knows it. */
export type Asked = {
  /** The idempotency key, and for ever the name of what it wrote. */
  readonly id: string
  readonly owner: string
  readonly object: ObjectKind
  readonly input: Input
  readonly calledAt: number
  returnedAt: number
  output: number | undefined
  /** A try of it may have taken effect. An operation that is neither answered nor in doubt did nothing. */
  isInDoubt: boolean
}

/** The sequential truth of each object: it holds one number, 0 at first. */
export const objectModel: Model<number, Input, number> = {
  initial: 0,
  step: (state, input, output) => {
    switch (input.kind) {
      case 'read':
        return output === undefined || output === state ? state : undefined
      case 'write':
        return input.value
      case 'add':
        return output === undefined || output === state + 1 ? state + 1 : undefined
      case 'cas': {
        const isSet = state === input.expect
        if (output !== undefined && output !== Number(isSet)) return undefined
        return isSet ? input.value : state
      }
    }
  },
  keyOf: String,
}

/** How an operation reads in a message. */
export function spell({ id, object, input, output, calledAt, returnedAt }: Asked): string {
  const words = Object.values(input).join(' ')
  const answer = output === undefined ? '?' : String(output)
  return `${String(calledAt)}..${String(returnedAt)} ${object} ${words} -> ${answer} (${id})`
}
