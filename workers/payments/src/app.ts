import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { readConfig } from './env.ts'

/** The payments service: payments, refunds, wallets. @throws InvalidEnvError */
export function createPayments(env: unknown, links: Links): Service {
  return createMemberService(readConfig(env), links)
}
