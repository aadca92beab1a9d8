import type { Input } from '@stoa/contracts'
import type { stats } from '@stoa/contracts/stats'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { KindName } from '../domain/kinds.ts'

/** The typed ids of each kind: the two must agree, or the same 20 characters would have two names. */
const prefixes = { member: 'usr', product: 'prd', post: 'pst' } as const satisfies Record<
  KindName,
  string
>

type Named = Input<typeof stats.getStats>['params']

/** @throws InvalidIdError when kind and id disagree. */
export function idOf({ kind, subject }: Named): string {
  return parseTypedId(prefixes[kind], subject)
}

export function subjectOf(kind: KindName, id: string): string {
  return typedId(prefixes[kind], id)
}
