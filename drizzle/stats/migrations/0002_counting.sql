-- Which flushes a bucket has taken: in the batch of their deltas. A bucket is 64 slots; its rows lie in its first.
CREATE TABLE count_applied (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  flush TEXT NOT NULL,
  PRIMARY KEY (slot, flush)
) WITHOUT ROWID;
--> statement-breakpoint
-- Grows with every change of a bucket: orders what is published, and gates what was read before.
CREATE TABLE count_bucket (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  seq INTEGER NOT NULL,
  PRIMARY KEY (slot)
) WITHOUT ROWID;
--> statement-breakpoint
-- Cold counters, packed: a page holds objects of a kind in the slots from its own to the next page's.
CREATE TABLE count_page (
  n INTEGER PRIMARY KEY,
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (slot, kind)
);
--> statement-breakpoint
-- Objects that were counted again while a page may hold them: their total is row and page together.
CREATE TABLE count_thaw (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  kind TEXT NOT NULL,
  hi INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  PRIMARY KEY (slot, kind, hi, lo)
) WITHOUT ROWID;
--> statement-breakpoint
-- Flushes that came too late, or that nobody can read: kept for somebody to look at.
CREATE TABLE count_dead (
  n INTEGER PRIMARY KEY,
  slot TEXT NOT NULL CHECK (length(slot) = 3),
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
  slot TEXT NOT NULL CHECK (length(slot) = 3),
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
  slot TEXT NOT NULL CHECK (length(slot) = 3),
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
  slot TEXT NOT NULL CHECK (length(slot) = 3),
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
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  subject TEXT NOT NULL,
  metric TEXT NOT NULL,
  edges INTEGER NOT NULL,
  total INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (slot, subject, metric)
) WITHOUT ROWID;
--> statement-breakpoint
-- What objects of kind member are counted by, a row an object: hi and lo are the rest of its id.
CREATE TABLE count_member (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  hi INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, hi, lo)
) WITHOUT ROWID;
--> statement-breakpoint
-- What objects of kind product are counted by, a row an object: hi and lo are the rest of its id.
CREATE TABLE count_product (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  hi INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, hi, lo)
) WITHOUT ROWID;
--> statement-breakpoint
-- What objects of kind post are counted by, a row an object: hi and lo are the rest of its id.
CREATE TABLE count_post (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  hi INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, hi, lo)
) WITHOUT ROWID;
