import { type Call, slotText, type Statement } from '@stoa/kernel'

import { slotOfIndexed } from './lookup.ts'
import type { Router } from './router.ts'

/** One thing as it is listed under a text: an order under its seller, a product under its maker. */
export type Entry = {
  readonly kind: string
  readonly text: string
  /** What entries are ordered by, unique under one text: the owner's id, or its time key. */
  readonly sort: string
  readonly owner: string
  /** The owner's version that says so: an older one changes nothing. */
  readonly version: number
  readonly active: boolean
}

/** Where in the list to go on, and how many to give. */
export type ListPage = { readonly after?: string; readonly limit: number }

/** A non-unique index, sharded by the text. Consumers of the owners' events keep it, so it is late by a delivery. */
export type ListingIndex = {
  /** What writes `entry`, and the key by which to route it. Safe to repeat and to reorder: the larger version stays. */
  put(entry: Entry): { readonly key: number; readonly statement: Statement }
  /** What is listed, newest last by `sort`. One round trip. */
  list(
    under: Pick<Entry, 'kind' | 'text'>,
    page: ListPage,
    call: Call,
  ): Promise<readonly { readonly owner: string; readonly sort: string }[]>
}

export function createListing(router: Router): ListingIndex {
  return {
    put: (entry) => {
      const key = slotOfIndexed(entry)
      const { kind, text, sort, owner, version, active } = entry
      return {
        key,
        statement: {
          sql: `INSERT INTO listing (slot, kind, text, sort, owner_id, version, active) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (slot, kind, text, sort) DO UPDATE SET
  owner_id = excluded.owner_id, version = excluded.version, active = excluded.active
WHERE excluded.version > listing.version`,
          args: [slotText(key), kind, text, sort, owner, version, active ? 1 : 0],
        },
      }
    },
    list: async (under, { after = '', limit }, call) => {
      const key = slotOfIndexed(under)
      const query = {
        sql: `SELECT owner_id, sort FROM listing
WHERE slot = ? AND kind = ? AND text = ? AND sort > ? AND active = 1 ORDER BY sort LIMIT ?`,
        args: [slotText(key), under.kind, under.text, after, limit],
      }
      const { rows } = await router.read(key, query, call)
      return rows.map(([owner, sort]) => ({ owner: String(owner), sort: String(sort) }))
    },
  }
}
