import type { Call, Clock } from '@stoa/kernel'
import type { Side } from '@stoa/reconciliation'

import { judgeStatement, type Source } from '../../domain/money.ts'
import type { Plan } from '../../domain/plan.ts'
import { type Page, type Reader, tableSide } from '../pages.ts'

/** Two clocks of ours: what the ledger has booked, and when it is heard of here. */
const settleMs = 600_000

function pageOf(source: Source): Page {
  return {
    columns: ['m.key'],
    args: [source],
    select: (
      where,
    ) => `SELECT m.key AS key, m.at AS at, m.payment AS payment, m.kind AS kind, m.amount AS amount,
  m.currency AS currency FROM money_entry AS m WHERE m.source = ? AND ${where}`,
  }
}

/** What the provider's statements and our ledger say of each operation. Each side is complete as far as its feed is. */
export function statementPlan({
  reader,
  clock,
  completeTo,
}: {
  readonly reader: Reader
  readonly clock: Clock
  readonly completeTo: (source: Source, call: Call) => Promise<number>
}): Plan {
  const side = (source: Source): Side => ({
    ...tableSide(source, { reader, page: pageOf(source), clock }),
    watermark: (call) => completeTo(source, call),
  })
  return {
    comparison: {
      name: 'statement',
      settleMs,
      sides: [side('ledger'), side('provider')],
      judge: judgeStatement,
    },
  }
}
