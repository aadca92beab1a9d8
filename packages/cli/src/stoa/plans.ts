import { type Call, systemClock } from '@stoa/kernel'

import type { Output } from './output.ts'
import type { System } from './system.ts'
import type { Wish } from './wish.ts'

/** What was asked for and takes several moves: it is open until all are made, or somebody gives it up. */
export type OpenPlan = { readonly id: string; readonly wish: Wish; readonly hold: boolean }

/** The plans that somebody has to go on with, oldest first. One round trip. */
export async function readOpenPlans(
  { meta }: Pick<System, 'meta'>,
  call: Call,
): Promise<readonly OpenPlan[]> {
  const select = {
    sql: "SELECT id, wish FROM reshape_plan WHERE state = 'open' ORDER BY created_at, id",
    args: [],
  }
  const [found] = await meta.batch([select], 'read', call)
  return (found?.rows ?? []).map(([id, text]) => {
    // Written below, from a value of this type.
    const { wish, hold } = JSON.parse(String(text)) as Omit<OpenPlan, 'id'>
    return { id: String(id), wish, hold }
  })
}

/** Writes a plan down, before the first of its moves. One round trip; safe to repeat. */
export async function openPlan(
  { meta }: Pick<System, 'meta'>,
  { id, wish, hold }: OpenPlan,
  call: Call,
): Promise<void> {
  const now = systemClock.now()
  const write = {
    sql: `INSERT INTO reshape_plan (id, wish, state, created_at, updated_at) VALUES (?, ?, 'open', ?, ?)
ON CONFLICT (id) DO UPDATE SET wish = excluded.wish, state = 'open', updated_at = excluded.updated_at`,
    args: [id, JSON.stringify({ wish, hold }), now, now],
  }
  await meta.batch([write], 'write', call)
}

/** Ends a plan, if it is open. One round trip. */
export async function endPlan(
  { meta }: Pick<System, 'meta'>,
  { id, state }: { readonly id: string; readonly state: 'done' | 'dropped' },
  call: Call,
): Promise<void> {
  const write = {
    sql: "UPDATE reshape_plan SET state = ?, updated_at = ? WHERE id = ? AND state = 'open'",
    args: [state, systemClock.now(), id],
  }
  await meta.batch([write], 'write', call)
}

/** Lists the plans of several moves that are not at their end. */
export function tellPlans(output: Output, plans: readonly OpenPlan[]): void {
  for (const { id, wish } of plans) {
    const { verb, keyspace } = wish
    const text = `Plan ${id}: ${verb} in "${keyspace}" goes on with: npm run stoa -- resume`
    output.tell({ event: 'open_plan', id, verb, keyspace }, text)
  }
}
