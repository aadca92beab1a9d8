import { paymentProvider } from '@stoa/contracts/payments'
import { platformEnv, readEnv } from '@stoa/http'
import type { z } from 'zod'

const reconcilerEnv = platformEnv.extend({
  /** Whose statements our ledger is compared with; nobody's, where nobody can pay. */
  PAYMENTS_PROVIDER: paymentProvider.optional(),
})

export type Config = z.output<typeof reconcilerEnv>

/** @throws InvalidEnvError naming each variable that is missing or wrong. */
export function readConfig(env: unknown): Config {
  return readEnv(reconcilerEnv, env)
}
