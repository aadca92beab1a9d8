import type { Judge } from '../finding.ts'
import { wholeOf } from '../tolerance.ts'

/**
 * Two copies of an edge, each with `version` and `active`: the first is the truth (follow), the second follows it
 * (follower). An older or missing copy is made anew; one that is newer, or different under the same version, was not
 * made from it, and is for a person. A copy that says it is not active needs no original, and the other way round.
 */
export const judgeTwins: Judge = ({ key, entries: [originals = [], copies = []] }) => {
  const [original] = originals
  const [copy] = copies
  const [version, copied] = [wholeOf(original, 'version'), wholeOf(copy, 'version')]
  const [active, copyActive] = [wholeOf(original, 'active'), wholeOf(copy, 'active')]
  const isSame = BigInt(active) === BigInt(copyActive)
  const isWhole = original !== undefined && copy !== undefined
  if (isSame && (!isWhole || BigInt(version) === BigInt(copied))) return []
  return [
    {
      class: 'twin_drift',
      key,
      action: original !== undefined && copied < version ? 'copy_twin' : 'investigate',
      amount: 0,
      detail: { version, active, copied, copy_active: copyActive },
    },
  ]
}
