import { type Clock, prefixOf } from '@stoa/kernel'
import { type Finding, type Judge, judgeStock } from '@stoa/reconciliation'

import { halved, named } from '../../domain/judges.ts'
import type { Change, Plan } from '../../domain/plan.ts'
import { type Page, type ReaderOf, tableSide } from '../pages.ts'

/** A cell with its ledger and its reservations, at one moment: they lie in one slot. Nothing is sold out of a cell yet. */
const cells: Page = {
  columns: ['s.product'],
  select: (where) => `SELECT s.product AS key,
  coalesce((SELECT m.at FROM movement AS m WHERE m.product = s.product ORDER BY m.version DESC LIMIT 1), 0) AS at,
  (SELECT coalesce(sum(m.quantity), 0) FROM movement AS m
    WHERE m.product = s.product AND m.type IN ('opening', 'receipt'))
    + (SELECT coalesce(sum(t.quantity), 0) FROM transfer AS t WHERE t.cell = s.product) AS total,
  s.on_hand - s.reserved AS available, s.reserved AS reserved,
  (SELECT coalesce(sum(r.quantity), 0) FROM reservation AS r
    WHERE r.product = s.product AND r.state = 'reserved') AS open
FROM stock AS s WHERE ${where}`,
}

/** All cells of a product lie in its place. */
function placesOf({ data }: Change): readonly string[] {
  const lines: unknown = data['lines']
  const lists = Array.isArray(lines) ? (lines as readonly { readonly product?: unknown }[]) : [data]
  return lists.flatMap(({ product }) => (typeof product === 'string' ? [prefixOf(product)] : []))
}

function isOnHandRight({ detail }: Finding): boolean {
  const [total, available, reserved] = ['total', 'available', 'reserved'].map((name) =>
    Number(detail[name]),
  ) as [number, number, number]
  return total === available + reserved
}

/** What a ledger does not come to stays as wrong when the reserved is rebuilt: it is for somebody who counts. */
const judgeCell: Judge = (group, look) =>
  judgeStock(group, look).map((finding) =>
    isOnHandRight(finding) ? finding : { ...finding, action: 'investigate' },
  )

export function stockPlan({
  readerOf,
  clock,
}: {
  readonly readerOf: ReaderOf
  readonly clock: Clock
}): Plan {
  return {
    comparison: {
      name: 'stock',
      settleMs: 60_000,
      sides: [tableSide('cells', { reader: readerOf('warehouse'), page: cells, clock })],
      judge: named(
        'stock',
        halved(judgeCell, ({ open = 0, ...level }) => [{ ...level, sold: 0 }, { quantity: open }]),
      ),
    },
    changes: { keyspace: 'orders', types: ['order.placed'], keysOf: placesOf },
  }
}
