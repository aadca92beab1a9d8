import { platformEnv, readEnv } from '@stoa/http'
import { z } from 'zod'

const text = z.string().min(1).optional()

/** A deployment without a provider reads payments and moves what is in wallets; nobody can pay there. */
const paymentsEnv = platformEnv.extend({
  PAYMENTS_PROVIDER: z.enum(['sandbox', 'stripe']).optional(),
  SANDBOX_URL: z.url().optional(),
  SANDBOX_KEY: text,
  /** Signs the callbacks of the sandbox. */
  SANDBOX_CALLBACK_SECRET: text,
  STRIPE_KEY: text,
  STRIPE_WEBHOOK_SECRET: text,
  /** Where Stripe's API is, when it is not at Stripe's: a test's own. */
  STRIPE_URL: z.url().optional(),
})

export type Config = z.output<typeof paymentsEnv>

/** @throws InvalidEnvError naming each variable that is missing or wrong. */
export function readConfig(env: unknown): Config {
  return readEnv(paymentsEnv, env)
}
