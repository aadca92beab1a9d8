import { z } from 'zod'

const idText = '[0-9A-F][0-9A-HJKMNP-TV-Z]{19}'

/** A typed id as the API spells it, such as `usr_…`; any other spelling is refused. */
export function idField(prefix: string) {
  return z
    .string()
    .regex(new RegExp(`^${prefix}_${idText}$`), `must be an id of the form ${prefix}_…`)
}

export const memberId = idField('usr')
export const sessionId = idField('ses')
export const postId = idField('pst')
export const replyId = idField('rpl')
export const productId = idField('prd')
export const cartId = idField('crt')
export const orderId = idField('ord')
export const supplierId = idField('sup')
export const purchaseOrderId = idField('pur')
export const receiptId = idField('rcp')
export const endpointId = idField('whe')
export const deliveryId = idField('whd')

/** Lower-case letters, digits and underscores, as it is looked up. */
export const handle = z.string().regex(/^[a-z0-9_]{2,30}$/, 'must be 2 to 30 of a-z, 0-9 and _')
export const email = z.email().max(254).toLowerCase()
export const password = z.string().min(8).max(128)
export const displayName = z.string().trim().min(1).max(80)
/** Up to 500 characters as a reader counts them is the service's rule; this only bounds the bytes. */
export const postText = z.string().trim().min(1).max(3_000)

/** Minor units of the currency: cents for EUR, yen for JPY. */
export const minorUnits = z.int().min(0).max(1_000_000_000_000)
export const currency = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code')
export const quantity = z.int().min(1).max(999)
export const sku = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
export const categoryKey = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)

/** ISO 8601, in UTC. */
export const moment = z.iso.datetime()

/** A page of a list: `limit` from 1 to 100, `cursor` as the previous page gave it. */
export const page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(200).optional(),
})

/** A page of `item`; `next` is absent on the last one. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() })
}
