import { Fault, keyText, type RouteKey, type Statement } from '@stoa/kernel'

/** A statement was routed by a key that it does not name: it would read or write rows of others, or none. */
export class UnkeyedStatementError extends Fault {
  override readonly name = 'UnkeyedStatementError'
  override readonly code = 'unkeyed_statement'
  override readonly kind = 'invalid_argument'
  readonly sql: string

  constructor(keys: readonly RouteKey[], sql: string) {
    super(
      `Cannot run a statement that does not bind its key (${keys.map(keyText).join(', ')}): ${sql}`,
    )
    this.sql = sql
  }
}

/** Text that begins with the slot, by itself or as a value inside JSON. */
function isNamed(key: RouteKey, text: string): boolean {
  const slot = keyText(key).slice(0, 3)
  return text.startsWith(slot) || text.includes(`"${slot}`)
}

/**
 * Refuses statements that bind no value of a key's slot: the mark of a query that forgot its shard key.
 *
 * @throws UnkeyedStatementError
 */
export function auditStatements(keys: readonly RouteKey[], statements: readonly Statement[]): void {
  for (const { sql, args } of statements) {
    const texts = args.filter((value) => typeof value === 'string')
    if (!texts.some((text) => keys.some((key) => isNamed(key, text))))
      throw new UnkeyedStatementError(keys, sql)
  }
}
