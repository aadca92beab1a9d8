import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { openServiceCache } from '@stoa/http/cache'
import { claimMender, createLookup } from '@stoa/sharding'

import type {
  ClaimStore,
  ImportStore,
  MemberStore,
  PasswordHasher,
  ResetStore,
  Secrets,
  SessionStore,
} from './domain/ports.ts'
import type { Config } from './env.ts'
import { importStore, memberStore } from './store/members.ts'
import { scryptHasher } from './store/scrypt.ts'
import { sha256Secrets } from './store/secrets.ts'
import { resetStore, sessionStore } from './store/sessions.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly members: MemberStore
  readonly imports: ImportStore
  readonly claims: ClaimStore
  readonly sessions: SessionStore
  readonly resets: ResetStore
  readonly passwords: PasswordHasher
  readonly secrets: Secrets
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('users', config, { defer, report })
  const cache = openServiceCache({ service: 'users' }, config, { defer, report })
  const store = { access, lookup: createLookup(access.router, access.clock), defer }
  return {
    ids: access.ids,
    clock: access.clock,
    members: memberStore({ ...store, cache }),
    imports: importStore(store),
    claims: claimMender(access.router, store.lookup),
    sessions: sessionStore(access),
    resets: resetStore(access),
    passwords: scryptHasher,
    secrets: sha256Secrets,
  }
}
