import { z } from 'zod'

/** The most lines one import request may carry. */
export const importLinesMax = 500

/** Lines to import: each with its number in the source, by which it is reported. */
export function importOf<T extends z.ZodRawShape>(line: T) {
  return z.object({
    lines: z
      .array(z.object({ line: z.int().min(1), ...line }))
      .min(1)
      .max(importLinesMax),
  })
}

/** What became of each line. `exists` lines were there already, and changed nothing. */
export const importReply = z.object({
  results: z.array(
    z.object({
      line: z.int(),
      outcome: z.enum(['created', 'exists', 'refused']),
      id: z.string().optional(),
      code: z.string().optional(),
      detail: z.string().optional(),
    }),
  ),
})
