import { gateway } from '@stoa/contracts/gateway'
import type { Service } from '@stoa/http'

import type { Deps } from '../deps.ts'

function word(answers: boolean): 'ok' | 'down' {
  return answers ? 'ok' : 'down'
}

export function serveHealth(service: Service, { probes }: Deps): void {
  service.serve(gateway.health, async (_input, { call }) => {
    const [database, redis, queue] = await Promise.all([
      probes.database(call),
      probes.redis(call),
      probes.queue(call),
    ])
    return {
      ok: database && redis && queue,
      parts: { database: word(database), redis: word(redis), queue: word(queue) },
    }
  })
}
