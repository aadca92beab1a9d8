import type { Call } from '@stoa/kernel'

import { type Side, type Span, spanOf } from './entry.ts'
import type { Finding, Judge } from './finding.ts'
import { matchSides } from './match.ts'
import { isSettled, lookAt, type Look } from './watermark.ts'

/** Two or three sides, and who says what is wrong with them. */
export type Comparison = {
  /** Part of the id of each of its breaks: it stays for ever. */
  readonly name: string
  readonly sides: readonly Side[]
  /** How long a change may be under way from one side to another, in milliseconds: twice what it takes at most. */
  readonly settleMs: number
  readonly judge: Judge
}

/** What a part of a comparison gave. */
export type Judged = {
  /** The last key it covers. */
  readonly lastKey: string
  readonly compared: number
  /** Keys that were left for another time, because they may be under way. */
  readonly young: number
  readonly findings: readonly Finding[]
}

/** Judges `span` in parts of at most 500 keys. Reads every side once, O(n); writes nothing. */
export async function* judgeSpan(
  { sides, judge }: Comparison,
  { span, look }: { readonly span: Span; readonly look: Look },
  call: Call,
): AsyncGenerator<Judged> {
  for await (const groups of matchSides(sides.map((side) => side.read(span, call)))) {
    call.signal.throwIfAborted()
    const settled = groups.filter((group) => isSettled(group, look))
    yield {
      lastKey: groups.at(-1)?.key ?? '',
      compared: settled.length,
      young: groups.length - settled.length,
      findings: settled.flatMap((group) => judge(group, look)),
    }
  }
}

/** Looks at one key again: what is wrong with it now, or `undefined` when it may be under way. */
export async function judgeKey(
  comparison: Comparison,
  { key, now }: { readonly key: string; readonly now: number },
  call: Call,
): Promise<readonly Finding[] | undefined> {
  const look = await lookAt(comparison, now, call)
  const findings: Finding[] = []
  for await (const part of judgeSpan(comparison, { span: spanOf(key), look }, call)) {
    if (part.young > 0) return undefined
    findings.push(...part.findings)
  }
  return findings
}
