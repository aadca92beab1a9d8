import { expect, test } from 'vitest'

import { type Death, mortal, type Rewrite } from './mortal.ts'
import {
  ask,
  cancel,
  cancellerOf,
  eventsOf,
  letTimePass,
  offer,
  paid,
  type Placed,
  placed,
  quiet,
  reserved,
  rowsEverywhere,
  startService,
  unitsOf,
  untilEnded,
} from './world.ts'

type Life = {
  readonly death?: Death
  readonly rewrite?: Rewrite
  /** Who goes on with what the dead one left: the cron, or the buyer who asks again. */
  readonly heir: 'sweep' | 'retry'
}

/** An order is cancelled wholly, or a participant refuses and it stays wholly. */
const ends = ['cancelled', 'confirmed'] as const
type End = (typeof ends)[number]

const told = ['order.placed', 'order.confirmed', 'order.cancelled']

/** The invariants at rest that do not hold. */
async function brokenFor(
  { id, raw }: Placed,
  [kept, other]: readonly [string, string],
  end: End,
): Promise<readonly string[]> {
  const rows = await rowsEverywhere('SELECT state FROM order_cancellation WHERE order_id = ?', [
    raw,
  ])
  const kinds = await rowsEverywhere(
    "SELECT state FROM saga WHERE kind = 'cancel_order' AND steps LIKE ?",
    [`%${raw}%`],
  )
  const events = (await eventsOf(raw)).map(({ type }) => String(type))
  const money = [...paid.values()].filter((each) => each.order === id).map(({ state }) => state)
  const isGone = end === 'cancelled'
  const rules = {
    'it was asked for once': rows.join() === (isGone ? 'cancelled' : 'refused'),
    'one saga has ended': kinds.join() === (isGone ? 'done' : 'cancelled'),
    'its money went back, or stays': money.join() === (isGone ? 'returned' : 'confirmed'),
    'its units are free, or kept': isGone
      ? [kept, other].every((product) => unitsOf(product).released === 1)
      : unitsOf(kept).confirmed === 1,
    'an event tells of it': events.join() === (isGone ? told : told.slice(0, 2)).join(),
  }
  return Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [rule]))
}

/** Cancels an order, dies, is inherited; answers how many requests it took and what is broken at the end. */
async function live(
  end: End,
  { death, rewrite, heir }: Life,
): Promise<{ readonly sent: number; readonly broken: readonly string[] }> {
  const [book, gone] = [offer(), offer()]
  const made = await placed([book, gone])
  await quiet()
  const own = [...reserved.values()].find((each) => each.product === `prd_${gone.product}`)
  if (own === undefined) throw new Error('nothing is reserved')
  // Somebody has taken the units away: that is refused.
  if (end === 'confirmed') own.state = 'released'
  const requestId = crypto.randomUUID()
  const how = { key: crypto.randomUUID() }
  const sent = await mortal(requestId, { death, rewrite }, async () => {
    await cancel(made, { ...how, headers: { 'x-request-id': requestId }, from: startService() })
    await quiet()
  })
  const saga = await cancellerOf(made.raw)
  if (saga !== '') {
    if (heir === 'sweep') await untilEnded(saga).catch(() => undefined)
    else await letTimePass(saga)
  }
  const asking = () => cancel(made, { ...how, from: startService() })
  const [answer, again] = [await asking(), await asking()]
  const shown = await ask('GET', `/v1/orders/${made.id}`, { headers: made.buyer.headers })
  await quiet()
  await untilEnded(await cancellerOf(made.raw)).catch(() => undefined)
  const broken = await brokenFor(made, [book.product, gone.product], end)
  const isHeard = answer.response.status === 202 && answer.text === again.text
  return {
    sent,
    broken: [
      ...broken,
      ...(isHeard ? [] : ['whoever asks again hears one answer']),
      ...(answer.body['state'] === end ? [] : ['the answer is how it ends']),
      ...(shown.text === answer.text ? [] : ['the answer is what the order is']),
    ],
  }
}

const moments = ['before', 'after'] as const

/** Every death there is. */
async function deaths(end: End): Promise<readonly Death[]> {
  const { sent } = await live(end, { heir: 'sweep' })
  return Array.from({ length: sent }, (_, at) => moments.map((when) => ({ at, when }))).flat()
}

const lives = [
  { end: 'cancelled', heir: 'sweep' },
  { end: 'cancelled', heir: 'retry' },
  { end: 'confirmed', heir: 'sweep' },
] as const

test.each(lives)(
  'an order ends $end once and wholly, killed at every request of its cancellation, inherited by a $heir',
  async ({ end, heir }) => {
    const all = await deaths(end)
    const found: string[] = []
    for (const death of all) {
      const { broken } = await live(end, { death, heir })
      found.push(...broken.map((rule) => `${death.when} request ${death.at}: ${rule}`))
    }

    expect(all.length).toBeGreaterThan(12)
    expect(found).toEqual([])
  },
  60_000,
)

/** A safeguard taken out of what is sent: `from` becomes `to` wherever it stands, in JSON. */
type Mutant = { readonly name: string; readonly from: string; readonly to: string }

const mutants: readonly Mutant[] = [
  {
    name: 'the answer is not kept with the decision',
    from: 'UPDATE idempotency SET response = ? WHERE slot',
    to: 'UPDATE idempotency SET response = ? WHERE false AND slot',
  },
  {
    name: 'the order does not learn of the decision',
    from: 'decided_at = ?, cause = ? WHERE order_id = ?',
    to: 'decided_at = ?, cause = ? WHERE false AND order_id = ?',
  },
  {
    name: 'the saga is not begun with what was asked',
    from: 'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    to: 'SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE false',
  },
  {
    name: 'the event is not told with the decision',
    from: "value ->> 'at', ?\\nFROM json_each(?)",
    to: "value ->> 'at', ?\\nFROM json_each(?) WHERE false",
  },
  {
    name: 'the saga moves on without being asked where it is',
    from: 'CASE WHEN state = ? AND version = ? AND lease_epoch = ? THEN ? END',
    to: 'CASE WHEN ? <> 0 AND ? = 0 AND ? = 0 THEN ? ELSE state END',
  },
]

test.each(mutants)('an order is not cancelled right when $name', async ({ from, to }) => {
  let changed = 0
  const rewrite = (body: string) => {
    if (body.includes(from)) changed += 1
    return body.replaceAll(from, to)
  }
  const found: string[] = []
  for (const death of await deaths('cancelled')) {
    const { broken } = await live('cancelled', { death, rewrite, heir: 'sweep' })
    found.push(...broken)
    if (broken.length > 0) break
  }

  expect(changed).toBeGreaterThan(0)
  expect(found).not.toEqual([])
})
