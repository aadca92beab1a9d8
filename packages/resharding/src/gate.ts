import {
  type Call,
  type Rows,
  SqlConstraintError,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

/** A condition in SQL with what it binds. */
export type Condition = { readonly sql: string; readonly args: readonly SqlValue[] }

/** Aborts the batch unless `condition` holds at this point of it. A condition that is NULL does not hold. */
export function gate({ sql, args }: Condition): Statement {
  return {
    sql: `INSERT INTO _mv_gate (held) SELECT 0 WHERE coalesce((${sql}), 0) = 0`,
    args,
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof SqlConstraintError)) return false
  return error.constraint.startsWith('move_refused') || error.constraint.startsWith('_mv_progress.')
}

/**
 * Runs a write behind gates. `undefined` when a gate refused it, or the step was begun before: somebody else was
 * faster, or the world is no longer as it was planned on. Nothing was written then.
 */
export async function attempt(
  shard: SqlShard,
  statements: readonly Statement[],
  call: Call,
): Promise<readonly Rows[] | undefined> {
  try {
    return await shard.batch(statements, 'write', call)
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

/** The statements with the mover's pass around them: set first and cleared last, in one batch. */
export function asMover(job: string, statements: readonly Statement[]): readonly Statement[] {
  return [
    { sql: 'UPDATE _fence SET mover = ? WHERE id = 1', args: [job] },
    ...statements,
    { sql: 'UPDATE _fence SET mover = NULL WHERE id = 1', args: [] },
  ]
}
