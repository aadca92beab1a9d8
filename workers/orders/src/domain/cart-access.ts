import { type Cart, CartNotFoundError } from './cart.ts'
import type { Secrets } from './ports.ts'

/** Who asks for a cart: a member, somebody with the token of a guest's cart, both, or neither. */
export type Caller = { readonly member: string | undefined; readonly token: string | undefined }

/**
 * `cart`, when `caller` may use it: a member's cart wants that member, a guest's cart its token, whoever shows it.
 *
 * @throws CartNotFoundError otherwise: whether there is such a cart is not told.
 */
export async function opened(
  cart: Cart | undefined,
  caller: Caller,
  secrets: Secrets,
): Promise<Cart> {
  if (cart !== undefined && (await mayUse(cart, caller, secrets))) return cart
  throw new CartNotFoundError()
}

async function mayUse(
  { member, secretHash }: Cart,
  caller: Caller,
  secrets: Secrets,
): Promise<boolean> {
  if (member !== null) return caller.member === member
  if (secretHash === null || caller.token === undefined) return false
  return secrets.matches(caller.token, secretHash)
}
