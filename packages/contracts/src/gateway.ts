import { z } from 'zod'

import { route } from './route.ts'

const part = z.enum(['ok', 'down'])

export const gateway = {
  health: route({
    id: 'health',
    method: 'get',
    path: '/health',
    summary: 'Say whether each part answers; 200 even when one is down, which `ok` tells',
    access: 'public',
    status: 200,
    reply: z.object({
      ok: z.boolean(),
      parts: z.object({ database: part, redis: part, queue: part }),
    }),
  }),
} as const
