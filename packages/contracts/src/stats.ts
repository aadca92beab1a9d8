import { z } from 'zod'

import { route } from './route.ts'

export const statsKinds = ['member', 'product'] as const

export const stats = {
  getStats: route({
    id: 'getStats',
    method: 'get',
    path: '/v1/stats/{kind}/{subject}',
    summary: 'Read what was counted of a member (`usr_…`) or a product (`prd_…`)',
    access: 'public',
    params: z.object({
      kind: z.enum(statsKinds),
      subject: z.string().regex(/^(?:usr|prd)_[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/),
    }),
    status: 200,
    reply: z.object({ counts: z.record(z.string(), z.int()) }),
  }),
} as const
