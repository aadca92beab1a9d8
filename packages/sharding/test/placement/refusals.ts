import { expect } from 'vitest'

/** What each kind of bad input is refused with. */
export const invalid: unknown = expect.objectContaining({
  code: 'invalid_placement',
  kind: 'invalid_argument',
})
export const unplaceable: unknown = expect.objectContaining({
  code: 'unplaceable_key',
  kind: 'invalid_argument',
})
export const impossible: unknown = expect.objectContaining({
  code: 'impossible_plan',
  kind: 'failed_precondition',
})
