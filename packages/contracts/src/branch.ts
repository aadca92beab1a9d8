import { z } from 'zod'

const id = z.string().regex(/^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/)

/** One operation of a branch of a saga, as its runner asks a participant in another service. */
export const branchRequest = z.object({
  /** The saga. */
  gid: id,
  branch: z.string().min(1).max(64),
  op: z.enum(['try', 'confirm', 'cancel']),
})

/** What the participant says: see `Verdict` of packages/transactions. */
export const branchReply = z.object({
  outcome: z.enum(['done', 'refused', 'pending']),
  /** Why it refused, or does not know yet. */
  code: z.string().optional(),
})
