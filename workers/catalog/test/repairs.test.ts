import { clientOf } from '@stoa/contracts'
import { catalog } from '@stoa/contracts/catalog'
import { parseTypedId, rootCall, slotOfText, slotText, typedId } from '@stoa/kernel'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { describe, expect, inject, test } from 'vitest'

import { create, draftOf, get, ids, newCategory, spoil } from './harness.ts'

const env = inject('stoaEnv')
const call = rootCall('test')
const router = routerOf('catalog', env)
const client = clientOf(catalog, (request) => exports.default.fetch(request))

async function newProduct() {
  const { body } = await create(draftOf(await newCategory()))
  return { id: String(body['id']), sku: String(body['sku']) }
}

function slotOf(sku: string): string {
  return slotText(slotOfText(`sku|${sku}`))
}

async function entryOf(sku: string): Promise<readonly unknown[] | undefined> {
  const sql = `SELECT owner_id, state FROM lookup WHERE slot = ? AND kind = 'sku' AND text = ?`
  const { rows } = await router.read(slotOf(sku), { sql, args: [slotOf(sku), sku] }, call)
  return rows[0]
}

async function forget(sku: string): Promise<void> {
  const sql = `DELETE FROM lookup WHERE slot = ? AND kind = 'sku' AND text = ?`
  await router.write(slotOf(sku), [{ sql, args: [slotOf(sku), sku] }], call)
}

async function putIn(sku: string, owner: string): Promise<void> {
  const sql = `INSERT INTO lookup (slot, kind, text, owner_id, state, claimed_at) VALUES (?, 'sku', ?, ?, 'confirmed', 0)`
  await router.write(slotOf(sku), [{ sql, args: [slotOf(sku), sku, owner] }], call)
}

function mend(product: string, sku?: string) {
  return client.mendProductClaim({ body: sku === undefined ? { product } : { product, sku } }, call)
}

describe('the mending of an entry', () => {
  test('lets a product be found again by its sku, however often it is asked', async () => {
    const { id, sku } = await newProduct()
    await forget(sku)

    await mend(id)
    await mend(id)

    expect(await entryOf(sku)).toEqual([parseTypedId('prd', id), 'confirmed'])
    expect((await get(`/v1/skus/${sku}`)).body).toMatchObject({ id })
  })

  test('takes from nobody what has become his in the meantime', async () => {
    const { id, sku } = await newProduct()
    const other = ids.root('another')
    await forget(sku)
    await putIn(sku, other)

    await expect(mend(id)).rejects.toMatchObject({ code: 'claim_held' })

    expect(await entryOf(sku)).toEqual([other, 'confirmed'])
  })

  test('takes out what leads to a product of another sku, or to none', async () => {
    const { id, sku } = await newProduct()
    const nothing = ids.root('nothing')
    const [stray, orphan] = [`${sku}-x`, `${sku}-y`]
    await putIn(stray, parseTypedId('prd', id))
    await putIn(orphan, nothing)

    await mend(id, stray)
    await mend(typedId('prd', nothing), orphan)
    await mend(id, sku)

    expect([await entryOf(stray), await entryOf(orphan)]).toEqual([undefined, undefined])
    expect((await get(`/v1/skus/${sku}`)).body).toMatchObject({ id })
  })

  test('ends the same when a reply is lost', async () => {
    const { id, sku } = await newProduct()
    await forget(sku)
    await spoil({ action: 'drop-reply', match: { contains: 'INSERT INTO lookup' } })

    await mend(id).catch(() => undefined)
    await mend(id)

    expect(await entryOf(sku)).toEqual([parseTypedId('prd', id), 'confirmed'])
  })

  test('does not know what to mend of nothing without a sku', async () => {
    const nothing = typedId('prd', ids.root('nothing'))

    await expect(mend(nothing)).rejects.toMatchObject({ code: 'product_not_found' })
  })
})
