import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { type Call, slotOfText, slotText } from '@stoa/kernel'
import { backfillLookup, type Claim, type LookupIndex } from '@stoa/sharding'

import type { ClaimStore } from '../domain/ports.ts'

function removal({ kind, text, owner }: Claim, slot: string) {
  return {
    sql: `DELETE FROM lookup WHERE slot = ? AND kind = ? AND text = ? AND owner_id = ? AND state = 'confirmed'`,
    args: [slot, kind, text, owner],
  }
}

/** Mends single entries of the index; a whole one is the business of `stoa`. */
export function claimStore(
  { router }: Pick<KeyspaceAccess, 'router'>,
  lookup: LookupIndex,
): ClaimStore {
  return {
    restore: async (claim, call) => {
      const page = async () => ({ claims: [claim] })
      return (await backfillLookup(lookup, { page }, call)).conflicts.length === 0
    },
    remove: async (claim: Claim, call: Call) => {
      // As the index itself places its entries.
      const slot = slotText(slotOfText(`${claim.kind}|${claim.text}`))
      await router.write(slot, [removal(claim, slot)], call)
    },
  }
}
