import type { Links } from '@stoa/contracts'
import { createMemberService, serveInbox, type Service, report } from '@stoa/http'

import { buildDeps } from './deps.ts'
import { readConfig } from './env.ts'
import { hear } from './inbox/hear.ts'
import { serveGraph } from './routes/graph.ts'
import { servePosts } from './routes/posts.ts'
import { serveRepairs } from './routes/repairs.ts'
import { serveReplies } from './routes/replies.ts'

/** The social service: posts and replies, the graph of who follows whom, timelines. @throws InvalidEnvError */
export function createSocial(env: unknown, links: Links): Service {
  const config = readConfig(env)
  const deps = buildDeps(config, links)
  const service = createMemberService(config, links)
  servePosts(service, deps)
  serveReplies(service, deps)
  serveGraph(service, deps)
  serveRepairs(service, deps)
  serveInbox(service, {
    consumer: 'social',
    publicUrl: config.PUBLIC_URL,
    verifier: deps.verifier,
    apply: (events, call) => hear(deps, events, call),
    report,
  })
  return service
}
