import type { Links } from '@stoa/contracts'
import { createMemberService, type Service } from '@stoa/http'

import { readConfig } from './env.ts'

/** The reconciler service: runs, discrepancies, repairs. @throws InvalidEnvError */
export function createReconcilerService(env: unknown, links: Links): Service {
  return createMemberService(readConfig(env), links)
}
