import type { Outcome, Running } from './connection.ts'
import { responseTooLarge } from './errors.ts'
import type { StatementError } from './errors.ts'
import type { RowCounts, Sink } from './program.ts'
import { encodeRow } from './values.ts'

/** The largest answer to one HTTP request, in characters of JSON: sqld's default of 10 MB. */
const maxResponseLength = 10_000_000

/** What is left of the size an answer may have. */
export class Budget {
  #left = maxResponseLength

  /** @throws StatementError RESPONSE_TOO_LARGE when it is used up. */
  check(length: number): void {
    if (length > this.#left) throw responseTooLarge()
  }

  /** @throws StatementError RESPONSE_TOO_LARGE when it is used up. */
  spend(length: number): void {
    this.check(length)
    this.#left -= length
  }
}

export function errorJson(error: StatementError): string {
  return JSON.stringify({ message: error.message, code: error.code })
}

/** Writes a statement's result as Hrana's `StmtResult`. */
export class JsonSink implements Sink {
  readonly #budget: Budget
  #columns = '[]'
  #rows = ''
  #tail = ''

  constructor(budget: Budget) {
    this.#budget = budget
  }

  begin(running: Running): undefined {
    this.#columns = running.prepared.columnsJson
  }

  row(values: readonly unknown[]): undefined {
    this.#rows += (this.#rows === '' ? '' : ',') + encodeRow(values)
    this.#budget.check(this.#rows.length)
  }

  end(outcome: Outcome, durationMs: number, counts: RowCounts): void {
    this.#budget.spend(this.#rows.length)
    const { affected, lastRowid } = outcome
    const rowid = lastRowid === undefined ? 'null' : `"${lastRowid}"`
    this.#tail =
      `"affected_row_count":${affected},"last_insert_rowid":${rowid},"replication_index":null,` +
      `"rows_read":${counts.rowsRead},"rows_written":${counts.rowsWritten},` +
      `"query_duration_ms":${durationMs.toFixed(3)}`
  }

  get json(): string {
    return `{"cols":${this.#columns},"rows":[${this.#rows}],${this.#tail}}`
  }
}
