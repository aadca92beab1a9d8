import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { type Clock, secureRandom } from '@stoa/kernel'
import { createSeals } from '@stoa/transactions'

import type { BookStore, PaymentStore, ReturnStore } from './domain/ports.ts'
import type { Provider } from './domain/provider.ts'
import { impatient, type Providers, providersOf } from './domain/providers.ts'
import type { SweepDeps } from './domain/sweep.ts'
import type { TransferStore, WalletStore } from './domain/wallet-ports.ts'
import type { Config } from './env.ts'
import { bookStore } from './store/books.ts'
import { paymentStore } from './store/payments.ts'
import { returnStore } from './store/returns.ts'
import { sandboxProvider } from './store/sandbox-provider.ts'
import { stripeProvider } from './store/stripe-provider.ts'
import { openIn, unsealedIn } from './store/sweep.ts'
import { transferRunner, transferStore, walletStore } from './store/wallets.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly payments: PaymentStore
  readonly returns: ReturnStore
  readonly books: BookStore
  readonly providers: Providers
  readonly wallets: WalletStore
  readonly transfers: TransferStore
  readonly sweep: SweepDeps
  readonly report: typeof report
}

/** The providers whose variables are there; callbacks of any of them are taken. */
function configured(config: Config, clock: Clock): readonly Provider[] {
  const { SANDBOX_URL, SANDBOX_KEY, SANDBOX_CALLBACK_SECRET, STRIPE_KEY, STRIPE_WEBHOOK_SECRET } =
    config
  const found: Provider[] = []
  if (SANDBOX_URL !== undefined && SANDBOX_KEY !== undefined) {
    const callbackUrl = `${config.PUBLIC_URL}/v1/payment-callbacks/sandbox`
    const known = { url: SANDBOX_URL, key: SANDBOX_KEY, callbackUrl, clock }
    const callbackSecret = SANDBOX_CALLBACK_SECRET ?? SANDBOX_KEY
    found.push(sandboxProvider({ ...known, callbackSecret, fetch: (request) => fetch(request) }))
  }
  if (STRIPE_KEY !== undefined && STRIPE_WEBHOOK_SECRET !== undefined) {
    const url = config.STRIPE_URL
    found.push(stripeProvider({ key: STRIPE_KEY, webhookSecret: STRIPE_WEBHOOK_SECRET, url }))
  }
  return found.map((provider) => impatient(provider, clock))
}

export function buildDeps(config: Config, { defer }: Pick<Links, 'defer'>): Deps {
  const access = openServiceKeyspace('payments', config, { defer, report })
  const { ids, clock, router } = access
  const payments = paymentStore({ access, random: secureRandom })
  const providers = providersOf(configured(config, clock), config.PAYMENTS_PROVIDER)
  const runner = transferRunner(access, { random: secureRandom, defer, report })
  return {
    ids,
    clock,
    payments,
    returns: returnStore({ access, random: secureRandom }),
    books: bookStore(access),
    providers,
    wallets: walletStore(access),
    transfers: transferStore(access, { runner, report }),
    report,
    sweep: {
      payments,
      providers,
      shards: (call) => router.shards(call),
      openIn,
      unsealedIn,
      transfers: runner,
      seals: createSeals({ keyspace: router, clock }),
      clock,
      report,
    },
  }
}
