import { type Call, type Clock, Fault, type Ids } from '@stoa/kernel'
import { type Answered, type Once, scopeOf } from '@stoa/messaging'

import type { CartStore, OpenedCart, Secrets } from './ports.ts'

/** As long as the shortest spelling of 64 random bits, and less than every UUID. */
export const guestKeyLengthMin = 16

/** A guest's Idempotency-Key could be another guest's too. */
export class GuestKeyTooShortError extends Fault {
  override readonly name = 'GuestKeyTooShortError'
  override readonly code = 'guest_key_too_short'
  override readonly kind = 'invalid_argument'

  constructor() {
    super(
      `Cannot open a guest cart: its Idempotency-Key must be random, of at least ${guestKeyLengthMin} characters, such as a UUID`,
    )
  }
}

type Deps = {
  readonly carts: CartStore
  readonly secrets: Secrets
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Opens a cart, once for a key.
 *
 * All guests are one principal, so nothing but the key tells their requests apart: whoever sends a guest's key is
 * answered that guest's cart and its token. Hence the key must be as hard to guess as the token, and as well kept for
 * the 24 hours that answers are repeated.
 *
 * @throws GuestKeyTooShortError, KeyReusedError.
 */
export function openCart(
  { carts, secrets, ids, clock }: Deps,
  { once, member }: { readonly once: Once; readonly member: string | undefined },
  call: Call,
): Promise<Answered<OpenedCart>> {
  return member === undefined ? openForGuest() : openForMember(member)

  function openForMember(owner: string): Promise<Answered<OpenedCart>> {
    const reply = { id: ids.child(owner), member: owner }
    const cart = { ...reply, secretHash: null, createdAt: clock.now() }
    return carts.open({ once, cart, reply }, call)
  }

  async function openForGuest(): Promise<Answered<OpenedCart>> {
    if (once.key.length < guestKeyLengthMin) throw new GuestKeyTooShortError()
    const token = secrets.create()
    const reply = { id: ids.root(scopeOf(once)), member: null, token }
    const secretHash = await secrets.hash(token)
    const cart = { id: reply.id, member: null, secretHash, createdAt: clock.now() }
    return carts.open({ once, cart, reply }, call)
  }
}
