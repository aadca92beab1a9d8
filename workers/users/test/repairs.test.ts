import { clientOf } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import {
  createIds,
  parseTypedId,
  rootCall,
  secureRandom,
  slotOfText,
  slotText,
  systemClock,
  typedId,
} from '@stoa/kernel'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { describe, expect, inject, test } from 'vitest'

const env = inject('stoaEnv')
const call = rootCall('test')
const ids = createIds({ clock: systemClock, random: secureRandom })
const router = routerOf('users', env)
const client = clientOf(users, (request) => exports.default.fetch(request))

let counter = 0

async function newMember() {
  counter += 1
  const handle = `r${Date.now().toString(36)}_${counter}`
  const email = `${handle}@example.com`
  const body = { handle, email, password: 'correct horse', name: 'Ada L.' }
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const { id } = await client.register({ body, headers }, call)
  return { id, handle, email }
}

type Kind = 'handle' | 'email'

function slotOf(kind: Kind, text: string): string {
  return slotText(slotOfText(`${kind}|${text}`))
}

/** Who has the entry and since which state, or nobody. */
async function entryOf(kind: Kind, text: string): Promise<readonly unknown[] | undefined> {
  const sql = 'SELECT owner_id, state FROM lookup WHERE slot = ? AND kind = ? AND text = ?'
  const { rows } = await router.read(
    slotOf(kind, text),
    { sql, args: [slotOf(kind, text), kind, text] },
    call,
  )
  return rows[0]
}

async function forget(kind: Kind, text: string): Promise<void> {
  const sql = 'DELETE FROM lookup WHERE kind = ? AND text = ? AND slot = ?'
  await router.write(slotOf(kind, text), [{ sql, args: [kind, text, slotOf(kind, text)] }], call)
}

async function putIn(kind: Kind, text: string, owner: string): Promise<void> {
  const sql = `INSERT INTO lookup (slot, kind, text, owner_id, state, claimed_at) VALUES (?, ?, ?, ?, 'confirmed', 0)`
  const args = [slotOf(kind, text), kind, text, owner]
  await router.write(slotOf(kind, text), [{ sql, args }], call)
}

function mend(kind: Kind, member: string, text?: string) {
  const body = text === undefined ? { kind, member } : { kind, member, text }
  return client.mendMemberClaim({ body }, call)
}

async function spoil(rule: object): Promise<void> {
  const url = `${new URL(env['META_URL'] ?? '').origin}/_local/faults`
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(rule) })
  if (!response.ok) throw new Error(await response.text())
}

describe('the mending of an entry', () => {
  test('lets a member be found again, by what the row says, however often it is asked', async () => {
    const { id, handle, email } = await newMember()
    const mine = [parseTypedId('usr', id), 'confirmed']
    await Promise.all([forget('handle', handle), forget('email', email)])

    for (const kind of ['handle', 'email', 'handle'] as const) await mend(kind, id)

    expect(await entryOf('handle', handle)).toEqual(mine)
    expect(await entryOf('email', email)).toEqual(mine)
    expect(await client.findMember({ params: { handle } }, call)).toMatchObject({ id })
  })

  test('takes from nobody what has become his in the meantime', async () => {
    const { id, handle } = await newMember()
    const other = ids.root('another')
    await forget('handle', handle)
    await putIn('handle', handle, other)

    await expect(mend('handle', id)).rejects.toMatchObject({ code: 'claim_held' })

    expect(await entryOf('handle', handle)).toEqual([other, 'confirmed'])
  })

  test('takes out what leads to somebody who has another text, or to nobody', async () => {
    const { id, handle, email } = await newMember()
    const nobody = ids.root('nobody')
    const [stray, orphan] = [`x${email}`, `y${email}`]
    await putIn('email', stray, parseTypedId('usr', id))
    await putIn('email', orphan, nobody)

    await mend('email', id, stray)
    await mend('email', typedId('usr', nobody), orphan)
    await mend('email', id, stray)

    expect([await entryOf('email', stray), await entryOf('email', orphan)]).toEqual([
      undefined,
      undefined,
    ])
    expect(await client.findMember({ params: { handle } }, call)).toMatchObject({ id })
  })

  test('leaves what is right, and what is another member’s', async () => {
    const [ada, bob] = [await newMember(), await newMember()]

    await mend('email', ada.id, ada.email)
    await mend('email', ada.id, bob.email)

    expect(await entryOf('email', ada.email)).toEqual([parseTypedId('usr', ada.id), 'confirmed'])
    expect((await entryOf('email', bob.email))?.[0]).toBe(parseTypedId('usr', bob.id))
  })

  test.each([
    ['the claim', 'INSERT INTO lookup'],
    ['its confirmation', "SET state = 'confirmed'"],
  ])('ends the same when the reply to %s is lost', async (_what, contains) => {
    const { id, handle } = await newMember()
    await forget('handle', handle)
    await spoil({ action: 'drop-reply', match: { contains } })

    await mend('handle', id).catch(() => undefined)
    await mend('handle', id)

    expect(await entryOf('handle', handle)).toEqual([parseTypedId('usr', id), 'confirmed'])
  })

  test('does not know what to mend of nobody without a text', async () => {
    const stranger = typedId('usr', ids.root('stranger'))

    await expect(mend('handle', stranger)).rejects.toMatchObject({ code: 'member_not_found' })
  })
})
