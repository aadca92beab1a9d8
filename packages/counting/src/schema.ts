import type { Kind } from './kind.ts'
import { defineKind } from './kind.ts'

const limit = '9007199254740991'

function slotColumn(): string {
  return '  slot TEXT NOT NULL CHECK (length(slot) = 3),'
}

function kindTable(kind: Kind): string {
  const { name, metrics } = defineKind(kind)
  const columns = metrics.map(
    (metric) =>
      `  ${metric.name} INTEGER NOT NULL DEFAULT 0 CHECK (${metric.name} BETWEEN -${limit} AND ${limit}),`,
  )
  return `-- What objects of kind ${name} are counted by, a row an object: id is the rest of the object's, behind its slot.
CREATE TABLE count_${name} (
${slotColumn()}
  id BLOB NOT NULL,
${columns.join('\n')}
  PRIMARY KEY (slot, id)
) WITHOUT ROWID`
}

/** Rows of a bucket lie in its first slot: they move with all of its 64 slots, or not at all. */
const sharedTables = `-- Which flushes a bucket has taken: in the batch of their deltas. A bucket is 64 slots; its rows lie in its first.
CREATE TABLE count_applied (
${slotColumn()}
  flush TEXT NOT NULL,
  PRIMARY KEY (slot, flush)
) WITHOUT ROWID;
--> statement-breakpoint
-- Grows with every change of a bucket: orders what is published, and gates what was read before.
CREATE TABLE count_bucket (
${slotColumn()}
  seq INTEGER NOT NULL,
  PRIMARY KEY (slot)
) WITHOUT ROWID;
--> statement-breakpoint
-- Cold counters, packed: a page holds objects of a kind in the slots from its own to the next page's.
CREATE TABLE count_page (
  n INTEGER PRIMARY KEY,
${slotColumn()}
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (slot, kind)
);
--> statement-breakpoint
-- Objects that were counted again while a page may hold them: their total is row and page together.
CREATE TABLE count_thaw (
${slotColumn()}
  kind TEXT NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (slot, kind, id)
) WITHOUT ROWID;
--> statement-breakpoint
-- Flushes that came too late, or that nobody can read: kept for somebody to look at.
CREATE TABLE count_dead (
  n INTEGER PRIMARY KEY,
${slotColumn()}
  flush TEXT NOT NULL,
  reason TEXT NOT NULL,
  payload TEXT NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (slot, flush)
);
--> statement-breakpoint
-- Who was seen at an object in a period: a set, then a sketch.
CREATE TABLE count_unique (
  n INTEGER PRIMARY KEY,
${slotColumn()}
  subject TEXT NOT NULL,
  metric TEXT NOT NULL,
  period INTEGER NOT NULL,
  body BLOB NOT NULL,
  -- NOT NULL is the gate: a write that has not seen the last version aborts.
  version INTEGER NOT NULL,
  UNIQUE (slot, subject, metric, period)
);
--> statement-breakpoint
CREATE TABLE count_window (
${slotColumn()}
  subject TEXT NOT NULL,
  metric TEXT NOT NULL,
  width INTEGER NOT NULL,
  start INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (slot, subject, metric, width, start)
) WITHOUT ROWID;
--> statement-breakpoint
-- Leaderboards: Space-Saving summaries, at most 256 items each. The truth is from n - error to n.
CREATE TABLE count_top (
${slotColumn()}
  board TEXT NOT NULL,
  start INTEGER NOT NULL,
  item TEXT NOT NULL,
  n INTEGER NOT NULL,
  error INTEGER NOT NULL,
  PRIMARY KEY (slot, board, start, item)
) WITHOUT ROWID;
--> statement-breakpoint
-- Counters that were seen to differ from their edges: repaired when they still do after a while, unchanged.
CREATE TABLE count_drift (
${slotColumn()}
  subject TEXT NOT NULL,
  metric TEXT NOT NULL,
  edges INTEGER NOT NULL,
  total INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (slot, subject, metric)
) WITHOUT ROWID`

const sweepTable = `-- How far the sweeper has come in each bucket, task by task: at is the last key that it has dealt with.
CREATE TABLE count_sweep (
${slotColumn()}
  task TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (slot, task)
) WITHOUT ROWID`

/**
 * The tables of `kinds`, as the text of one migration. A metric that is added later is one more
 * `ALTER TABLE count_<kind> ADD COLUMN`, with the column as this text spells it.
 *
 * @throws RangeError as {@link defineKind}.
 */
export function countingMigration(kinds: readonly Kind[]): string {
  const tables = [sharedTables, ...kinds.map(kindTable), sweepTable]
  return tables.join(';\n--> statement-breakpoint\n') + ';\n'
}
