import {
  type Call,
  type Clock,
  type RedisPort,
  slotCount,
  slotOfText,
  slotText,
  type Statement,
} from '@stoa/kernel'
import type { Entry, Side, Span } from '@stoa/reconciliation'

import { hotSettleMs, judgeShown } from '../../domain/hot-view.ts'
import { named } from '../../domain/judges.ts'
import type { Plan } from '../../domain/plan.ts'
import { bucketSlotOf, countKeyOf, idOfCount } from '../count-rows.ts'
import type { Reader, ReaderOf } from '../pages.ts'

const [hourMs, dayMs] = [3_600_000, 86_400_000]
/** Slots of which an hour's sample takes some objects: all have had their turn after five days. */
const slotsAtOnce = 128
const strideOfSlots = slotCount / slotsAtOnce
/** The newest objects of each. */
const perSlot = 8
/** Objects looked up in one round trip. */
const lookupsMax = 250

export const hotKinds = ['member', 'product', 'post'] as const
type HotKind = (typeof hotKinds)[number]

type Deps = {
  readonly readerOf: ReaderOf
  /** The database of the hot view. */
  readonly hot: Pick<RedisPort, 'run'>
  readonly clock: Clock
}

type Source = {
  readonly kind: HotKind
  readonly reader: Reader
  readonly hot: Pick<RedisPort, 'run'>
}

/** What is viewed most, today and yesterday: what readers ask for. */
async function leadersOf({ kind, reader }: Source, now: number, call: Call) {
  const board = `${kind}.views`
  const slot = slotText(slotOfText(board))
  const today = Math.floor(now / dayMs) * dayMs
  const sql =
    'SELECT item AS item FROM count_top WHERE slot = ? AND board = ? AND start IN (?, ?) ORDER BY item LIMIT 1000'
  const args = [slot, board, today, today - dayMs]
  const [found] = await reader.readMany([{ key: slot, statement: { sql, args } }], call)
  return (found?.rows ?? []).map(([item]) => String(item))
}

/** The newest objects of slots that take turns by the hour. */
async function sampleOf({ kind, reader }: Source, now: number, call: Call) {
  const turn = Math.floor(now / hourMs) % strideOfSlots
  const queries = Array.from({ length: slotsAtOnce }, (_, index) => {
    const slot = slotText(index * strideOfSlots + turn)
    const sql = `SELECT slot AS slot, id AS id FROM count_${kind} WHERE slot = ? ORDER BY id DESC LIMIT ${perSlot}`
    return { key: slot, statement: { sql, args: [slot] } }
  })
  const found = await reader.readMany(queries, call)
  return found.flatMap(({ rows }) =>
    rows.flatMap(([slot, id]) =>
      id instanceof Uint8Array ? [idOfCount({ slot: String(slot), id })] : [],
    ),
  )
}

/**
 * The row of an object that says everything, with the number of its bucket. Of what lies packed in a page, or in both, it
 * is not the total.
 */
function rowOf(kind: HotKind, id: string): Statement {
  const { slot, id: rest } = countKeyOf(id)
  return {
    sql: `SELECT c.views || ',' || c.shares AS total, (SELECT b.seq FROM count_bucket AS b WHERE b.slot = ?) AS seq
FROM count_${kind} AS c WHERE c.slot = ? AND c.id = ? AND NOT EXISTS (SELECT 1 FROM count_thaw AS t
  WHERE t.slot = c.slot AND t.kind = '${kind}' AND t.id = c.id)`,
    args: [bucketSlotOf(slot), slot, rest],
  }
}

/** Redis first: a row that is read after what is shown of it can only be newer. */
async function entriesOf(source: Source, ids: readonly string[], call: Call) {
  const { kind, reader, hot } = source
  const command = ['MGET', ...ids.map((id) => `${kind}:${id}`)]
  const answer = await hot.run(command, call, { idempotent: true })
  const views = Array.isArray(answer) ? answer : []
  const queries = ids.map((id) => ({ key: id, statement: rowOf(kind, id) }))
  const found = await reader.readMany(queries, call)
  return ids.flatMap((key, index): readonly Entry[] => {
    const [total, seq] = found[index]?.rows[0] ?? []
    const view: unknown = views[index]
    if (typeof total !== 'string' || seq === null || seq === undefined) return []
    const fields = { row: total, seq: Number(seq), view: typeof view === 'string' ? view : null }
    return [{ key, at: 0, fields }]
  })
}

function isOfOneKey({ from, to }: Span): boolean {
  return to === `${from}\0`
}

/** Of all keys a sample; of one key itself. */
function hotSide(source: Source, clock: Clock): Side {
  return {
    name: 'hot view',
    watermark: async () => clock.now(),
    read: async function* read(span, call) {
      const now = clock.now()
      const ids = isOfOneKey(span)
        ? [span.from]
        : [...(await leadersOf(source, now, call)), ...(await sampleOf(source, now, call))]
      const wanted = [...new Set(ids)].filter((id) => id >= span.from && id < span.to).toSorted()
      for (let start = 0; start < wanted.length; start += lookupsMax)
        yield entriesOf(source, wanted.slice(start, start + lookupsMax), call)
    },
  }
}

/** What readers are shown first of what was counted, and what was counted. */
export function hotViewPlans({ readerOf, hot, clock }: Deps): readonly Plan[] {
  return hotKinds.map((kind) => {
    const name = `hot_${kind}`
    const side = hotSide({ kind, reader: readerOf('stats'), hot }, clock)
    return {
      comparison: {
        name,
        settleMs: hotSettleMs,
        sides: [side],
        judge: named(name, judgeShown),
      },
      isSampled: true,
    }
  })
}
