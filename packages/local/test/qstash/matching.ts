import { expect } from 'vitest'

/** Vitest's matchers are typed `any`; these are not. */

export function like(pattern: RegExp): unknown {
  return expect.stringMatching(pattern) as unknown
}

export function including(part: object): unknown {
  return expect.objectContaining(part) as unknown
}

export const anyText = expect.any(String) as unknown
