-- The tables that every sharded keyspace has. Each row of a sharded table begins with an id or with a
-- slot, so that it moves with its slot. A column named slot holds a slot's text, or a longer key that begins
-- with one, an owner's prefix or a row's id: so it also moves with a part of a slot. Text keys only: integer row numbers (n) are local to a database,
-- never copied, never referenced. Times are milliseconds since 1970.

-- Which keys this database owns. A row is a piece: the keys lo <= key < hi. A slot is the piece from its
-- text to the next slot's; an override is a piece inside a slot, from a prefix of at least five characters.
-- No two pieces begin at one key and none overlap but by lying inside another, so the piece that holds a
-- key is the one with the greatest lo.
CREATE TABLE _slot_owner (
  lo TEXT NOT NULL PRIMARY KEY CHECK (length(lo) = 3 OR length(lo) >= 5),
  hi TEXT NOT NULL,
  epoch INTEGER NOT NULL CHECK (epoch > 0),
  state TEXT NOT NULL CHECK (state IN ('serving', 'migrating', 'importing', 'frozen', 'handed_off')),
  peer TEXT CHECK (peer NOT GLOB '*[^A-Za-z0-9_.-]*'),
  -- The job that moves it. While there is one, changes of its rows are captured in _cdc.
  job TEXT,
  CHECK (hi > lo),
  CHECK (state <> 'handed_off' OR peer IS NOT NULL)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE _shard_meta (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  shard TEXT NOT NULL,
  -- NULL in a copy (branch, restored backup, uploaded file) until somebody adopts it: nobody can write it.
  incarnation TEXT,
  -- Which triggers guard the rows, and how many objects the schema had then: one that has others is not fenced.
  fence_hash TEXT,
  schema_mark TEXT
);
--> statement-breakpoint
-- The mover's pass through the row triggers: set first and cleared last in one batch, so nobody else sees it.
CREATE TABLE _fence (
  -- The name of the check is what INSERT OR REPLACE into a fenced table fails with.
  id INTEGER NOT NULL PRIMARY KEY CONSTRAINT shard_no_or_replace CHECK (id = 1),
  mover TEXT,
  -- 1 while there are replicas: every change is captured then, whether its piece is being moved or not.
  capture INTEGER NOT NULL DEFAULT 0 CHECK (capture IN (0, 1))
);
--> statement-breakpoint
INSERT INTO _fence (id, mover) VALUES (1, NULL);
--> statement-breakpoint
-- The keys of rows that changed while their piece was being moved, or there were replicas, in commit order.
CREATE TABLE _cdc (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  -- The primary key's columns, as a JSON array.
  pk TEXT NOT NULL
);
--> statement-breakpoint
-- The replicas that this database feeds, and up to where each has the changes in _cdc.
CREATE TABLE _replica_feed (
  name TEXT NOT NULL PRIMARY KEY,
  applied INTEGER NOT NULL CHECK (applied >= 0)
) WITHOUT ROWID;
--> statement-breakpoint
-- Whoever clears _cdc leaves what a replica lacks, and the newest change: from it a replica knows where it stands.
CREATE TRIGGER _cdc_keep BEFORE DELETE ON _cdc
WHEN OLD.seq >= min((SELECT min(applied) + 1 FROM _replica_feed), (SELECT max(seq) FROM _cdc))
BEGIN
  SELECT RAISE(IGNORE);
END;
--> statement-breakpoint
-- Changes of ownership are in the stream too, each with its keys, and whether rows may have changed uncaptured: they may
-- while a piece cannot be read, because the mover writes them then.
CREATE TRIGGER _slot_owner_ins AFTER INSERT ON _slot_owner WHEN (SELECT capture FROM _fence) = 1 BEGIN
  INSERT INTO _cdc (tbl, key, pk) SELECT '_slot_owner', NEW.lo, json_array(NEW.lo, NEW.hi,
    NEW.state NOT IN ('serving', 'migrating', 'frozen') OR coalesce((SELECT state FROM _slot_owner
      WHERE lo >= substr(NEW.lo, 1, 3) AND lo < NEW.lo AND NEW.hi <= hi ORDER BY lo DESC LIMIT 1), 'unknown')
      NOT IN ('serving', 'migrating', 'frozen'));
END;
--> statement-breakpoint
CREATE TRIGGER _slot_owner_upd AFTER UPDATE ON _slot_owner WHEN (SELECT capture FROM _fence) = 1 BEGIN
  INSERT INTO _cdc (tbl, key, pk) SELECT '_slot_owner', NEW.lo, json_array(min(OLD.lo, NEW.lo), max(OLD.hi, NEW.hi),
    OLD.state NOT IN ('serving', 'migrating', 'frozen') OR NEW.state NOT IN ('serving', 'migrating', 'frozen')
    OR (OLD.lo, OLD.hi) <> (NEW.lo, NEW.hi));
END;
--> statement-breakpoint
CREATE TRIGGER _slot_owner_del AFTER DELETE ON _slot_owner WHEN (SELECT capture FROM _fence) = 1 BEGIN
  INSERT INTO _cdc (tbl, key, pk) SELECT '_slot_owner', OLD.lo, json_array(OLD.lo, OLD.hi,
    OLD.state NOT IN ('serving', 'migrating', 'frozen') OR coalesce((SELECT state FROM _slot_owner
      WHERE lo >= substr(OLD.lo, 1, 3) AND lo < OLD.lo AND OLD.hi <= hi ORDER BY lo DESC LIMIT 1), 'unknown')
      NOT IN ('serving', 'migrating', 'frozen'));
END;
--> statement-breakpoint
-- What this database is a copy of; no row in one that is nobody's. Its pieces are frozen where it has all rows, so
-- that they are read and never written, and importing where it has not: job says why.
CREATE TABLE _replica (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  primary_name TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  -- One more with each batch of its feed.
  version INTEGER NOT NULL CHECK (version > 0),
  -- The _cdc.seq of the primary up to which it has every change, and up to which it knows who owns what.
  applied INTEGER NOT NULL,
  owners INTEGER NOT NULL,
  -- When it last had all; 0 when it never did.
  at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE VIEW _guard AS SELECT lo AS key, epoch, '' AS incarnation FROM _slot_owner WHERE 0;
--> statement-breakpoint
-- RAISE takes only a literal. A path that does not begin with $ makes json_extract fail with the path in
-- its message, and that carries the owner to the router. coalesce: NULL in the path would not fail.
CREATE TRIGGER _guard_check INSTEAD OF INSERT ON _guard BEGIN
  SELECT json_extract('{}', 'SHARD_FENCED|' || coalesce(NEW.key, '') || '|' || coalesce(owner.epoch, 0) || '|'
    || CASE WHEN meta.id IS NULL THEN 'clone'
      WHEN owner.epoch = NEW.epoch AND owner.state IN ('serving', 'migrating') THEN 'unfenced'
      ELSE coalesce(owner.state, 'unknown') END || '|'
    || coalesce(owner.peer, ''))
  FROM (SELECT 1)
  LEFT JOIN _slot_owner AS owner ON owner.lo = (
    SELECT lo FROM _slot_owner WHERE lo >= substr(NEW.key, 1, 3) AND lo <= NEW.key AND NEW.key < hi
    ORDER BY lo DESC LIMIT 1)
  LEFT JOIN _shard_meta AS meta ON meta.id = 1 AND meta.incarnation = NEW.incarnation
  WHERE meta.id IS NULL OR owner.epoch IS NOT NEW.epoch OR owner.state NOT IN ('serving', 'migrating')
    -- A database that was never fenced has no mark.
    OR meta.schema_mark <> (SELECT count(*) FROM sqlite_schema) || '.' || (SELECT max(rowid) FROM sqlite_schema);
END;
--> statement-breakpoint
CREATE TABLE idempotency (
  n INTEGER PRIMARY KEY,
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  principal TEXT NOT NULL,
  method TEXT NOT NULL,
  route TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  -- The HTTP status of the stored answer; NULL while the work is being done under a lease.
  status INTEGER,
  response TEXT,
  recovery_point TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (slot, principal, method, route, key)
);
--> statement-breakpoint
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
--> statement-breakpoint
CREATE TABLE outbox (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  topic TEXT NOT NULL,
  type TEXT NOT NULL,
  okey TEXT NOT NULL CHECK (length(okey) = 20),
  seq INTEGER NOT NULL CHECK (seq > 0),
  payload TEXT NOT NULL,
  headers TEXT,
  causation TEXT,
  state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'sent', 'dead')),
  created_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  sent_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  lease_epoch INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  UNIQUE (okey, seq)
);
--> statement-breakpoint
CREATE INDEX outbox_ready ON outbox (next_at) WHERE state = 'ready';
--> statement-breakpoint
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE state = 'sent';
--> statement-breakpoint
CREATE TABLE inbox (
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  consumer TEXT NOT NULL,
  event_id TEXT NOT NULL CHECK (length(event_id) = 20),
  at INTEGER NOT NULL,
  PRIMARY KEY (slot, consumer, event_id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX inbox_age ON inbox (at);
--> statement-breakpoint
CREATE TABLE inbox_cursor (
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  consumer TEXT NOT NULL,
  okey TEXT NOT NULL,
  -- NOT NULL is the gate: CASE WHEN seq = :k - 1 THEN :k END aborts the batch on a gap.
  seq INTEGER NOT NULL,
  PRIMARY KEY (slot, consumer, okey)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE parked (
  n INTEGER PRIMARY KEY,
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  consumer TEXT NOT NULL,
  okey TEXT NOT NULL,
  seq INTEGER NOT NULL,
  event TEXT NOT NULL,
  parked_at INTEGER NOT NULL,
  UNIQUE (slot, consumer, okey, seq)
);
--> statement-breakpoint
CREATE INDEX parked_age ON parked (parked_at);
--> statement-breakpoint
CREATE TABLE barrier (
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  gid TEXT NOT NULL,
  branch TEXT NOT NULL,
  op TEXT NOT NULL,
  reason TEXT NOT NULL,
  token TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (slot, gid, branch, op)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE saga (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  steps TEXT NOT NULL,
  deadline INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  lease_epoch INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  -- NULL while the saga can still move.
  finished_at INTEGER,
  last_error TEXT
);
--> statement-breakpoint
CREATE INDEX saga_due ON saga (next_at) WHERE finished_at IS NULL;
--> statement-breakpoint
CREATE TABLE lookup (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  owner_id TEXT NOT NULL CHECK (length(owner_id) = 20),
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'confirmed')),
  claimed_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (slot, kind, text)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX lookup_pending ON lookup (claimed_at) WHERE state = 'pending';
--> statement-breakpoint
CREATE TABLE listing (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  -- What entries under one text are ordered by, unique among them: an id, or its time key.
  sort TEXT NOT NULL,
  owner_id TEXT NOT NULL CHECK (length(owner_id) = 20),
  -- Of its owner; only a larger one changes the entry.
  version INTEGER NOT NULL CHECK (version > 0),
  -- 0: no longer listed. The row stays, so that a late older word cannot bring it back.
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  PRIMARY KEY (slot, kind, text, sort)
) WITHOUT ROWID;
--> statement-breakpoint
-- What a database knows of the moves that it gives to or takes from. The row stays when a move is over: a command
-- that comes late finds that its step is long past.
CREATE TABLE _mv_progress (
  job TEXT NOT NULL PRIMARY KEY,
  step TEXT NOT NULL CHECK (step IN ('receiving', 'capturing', 'frozen', 'handed_off', 'cleaning', 'closed')),
  -- One more with each step: what froze the keys once cannot hand them over after a thaw.
  version INTEGER NOT NULL CHECK (version > 0),
  -- The _cdc.seq of the owner up to which this copy has every change, and up to which both were compared.
  applied INTEGER,
  verified INTEGER,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE _mv_chunk (
  job TEXT NOT NULL,
  part INTEGER NOT NULL,
  -- JSON: [table, lo, hi] of each range of keys.
  ranges TEXT NOT NULL,
  -- JSON: the range that is next, and the key in it after which.
  position TEXT NOT NULL DEFAULT '[0,null]',
  rows INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'copying' CHECK (state IN ('copying', 'copied', 'verified')),
  PRIMARY KEY (job, part)
) WITHOUT ROWID;
--> statement-breakpoint
-- Always empty: a condition that does not hold inserts a 0 here, and so aborts its batch.
CREATE TABLE _mv_gate (
  held INTEGER NOT NULL CONSTRAINT move_refused CHECK (held = 1)
);
--> statement-breakpoint
-- The parts of imports that were written whole, in the batch that wrote them.
CREATE TABLE _import (
  job TEXT NOT NULL,
  part TEXT NOT NULL,
  -- JSON: lines whose rows were there before, and lines that the schema refused.
  present TEXT NOT NULL,
  rejected TEXT NOT NULL,
  PRIMARY KEY (job, part)
) WITHOUT ROWID;
