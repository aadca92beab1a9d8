import { type Clock, slotOfText, slotText } from '@stoa/kernel'
import { judgeTwins, type Side } from '@stoa/reconciliation'

import { named } from '../../domain/judges.ts'
import type { Plan } from '../../domain/plan.ts'
import { lookedUpSide, type Page, type ReaderOf, tableSide } from '../pages.ts'

/** Longer than a claim may be pending before the sweeper settles it. */
const settleMs = 900_000

type Deps = { readonly readerOf: ReaderOf; readonly clock: Clock }

/** A unique text of a row, and the index by which it is found. */
type Indexed = {
  readonly name: string
  readonly keyspace: string
  readonly kind: string
  readonly table: string
  readonly column: string
}

const indexes: readonly Indexed[] = [
  { name: 'handles', keyspace: 'users', kind: 'handle', table: 'member', column: 'handle' },
  { name: 'emails', keyspace: 'users', kind: 'email', table: 'member', column: 'email' },
  { name: 'skus', keyspace: 'catalog', kind: 'sku', table: 'product', column: 'sku' },
]

/** A row and its entry in an index are two copies of one fact, and change together: both are at their only version. */
const present = { version: 1, active: 1 } as const
const foreign = { version: 1, active: 0 } as const

function rowsPage({ table, column }: Indexed): Page {
  return {
    columns: ['r.id'],
    select: (where) =>
      `SELECT r.id AS key, r.created_at AS at, r.${column} AS text, 1 AS version, 1 AS active FROM ${table} AS r WHERE ${where}`,
  }
}

function entriesSide(rows: Side, { keyspace, kind }: Indexed, { readerOf }: Deps): Side {
  return lookedUpSide('index', {
    lead: rows,
    reader: readerOf(keyspace),
    lookupsOf: ({ fields }) => {
      const text = String(fields['text'])
      // As the index itself places its entries.
      const slot = slotText(slotOfText(`${kind}|${text}`))
      const sql = 'SELECT owner_id FROM lookup WHERE slot = ? AND kind = ? AND text = ?'
      return [{ key: slot, statement: { sql, args: [slot, kind, text] } }]
    },
    entriesOf: ({ key, at }, [found]) =>
      (found?.rows ?? []).map(([owner]) => ({
        key,
        at,
        fields: owner === key ? present : foreign,
      })),
  })
}

/** Confirmed entries alone: what is pending is settled by the sweeper of the service. */
function claimsPage({ kind }: Indexed): Page {
  return {
    columns: ['l.slot', 'l.text'],
    width: 3,
    args: [kind],
    select: (
      where,
    ) => `SELECT l.slot || ':' || l.text AS key, l.claimed_at AS at, l.owner_id AS owner, 1 AS version, 1 AS active
FROM lookup AS l WHERE l.state = 'confirmed' AND l.kind = ? AND ${where}`,
  }
}

function ownersSide(claims: Side, { keyspace, table, column }: Indexed, { readerOf }: Deps): Side {
  return lookedUpSide(table, {
    lead: claims,
    reader: readerOf(keyspace),
    lookupsOf: ({ key, fields }) => {
      const owner = String(fields['owner'])
      const sql = `SELECT 1 AS found FROM ${table} WHERE id = ? AND ${column} = ?`
      return [{ key: owner, statement: { sql, args: [owner, key.slice(4)] } }]
    },
    entriesOf: ({ key, at }, [found]) =>
      (found?.rows ?? []).map(() => ({ key, at, fields: present })),
  })
}

/** Each row has its entry in the index, and each entry its row. */
export function indexPlans(deps: Deps): readonly Plan[] {
  const { readerOf, clock } = deps
  return indexes.flatMap((indexed): readonly Plan[] => {
    const reader = readerOf(indexed.keyspace)
    const rows = tableSide(indexed.table, { reader, page: rowsPage(indexed), clock })
    const claims = tableSide('index', { reader, page: claimsPage(indexed), clock })
    const back = `${indexed.kind}_claims`
    return [
      {
        comparison: {
          name: indexed.name,
          settleMs,
          sides: [rows, entriesSide(rows, indexed, deps)],
          judge: named(indexed.name, judgeTwins),
        },
      },
      {
        comparison: {
          name: back,
          settleMs,
          sides: [ownersSide(claims, indexed, deps), claims],
          judge: named(back, judgeTwins),
        },
      },
    ]
  })
}
