-- A disagreement between sides. Its id is the hash of what it is, so that it is written once.
CREATE TABLE discrepancy (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  comparison TEXT NOT NULL,
  class TEXT NOT NULL,
  -- What the sides call the thing.
  key TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('open', 'repairing', 'repaired', 'review', 'proposed', 'approved', 'resolved', 'dismissed')),
  -- What would mend it, or what somebody has proposed.
  action TEXT NOT NULL,
  -- Minor units at stake.
  amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount >= 0),
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  -- How often it has come back, and one more.
  occurrence INTEGER NOT NULL DEFAULT 1,
  -- Grows by one with every change that the journal keeps.
  version INTEGER NOT NULL DEFAULT 1,
  first_seen_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  -- When it is looked at again; NULL when nobody does so by himself.
  due_at INTEGER,
  closed_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  assignee TEXT,
  -- An action, or dismiss: what the maker would have done, until the checker has decided.
  proposed TEXT,
  maker TEXT,
  checker TEXT,
  -- Who changed it last, and what was said to it.
  actor TEXT NOT NULL,
  note TEXT,
  CONSTRAINT two_persons CHECK (checker IS NULL OR (maker IS NOT NULL AND checker <> maker)),
  CONSTRAINT unchecked CHECK (state NOT IN ('approved', 'dismissed') OR checker IS NOT NULL)
);
--> statement-breakpoint
CREATE INDEX discrepancy_due ON discrepancy (due_at) WHERE due_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX discrepancy_age ON discrepancy (first_seen_at, id) WHERE closed_at IS NULL;
--> statement-breakpoint
-- Every change of a discrepancy, for ever: written by the schema itself.
CREATE TABLE discrepancy_journal (
  discrepancy TEXT NOT NULL CHECK (length(discrepancy) = 20),
  version INTEGER NOT NULL,
  occurrence INTEGER NOT NULL,
  state TEXT NOT NULL,
  action TEXT NOT NULL,
  amount INTEGER NOT NULL,
  detail TEXT NOT NULL,
  actor TEXT NOT NULL,
  note TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (discrepancy, version)
) WITHOUT ROWID;
--> statement-breakpoint
-- What automatic repairs have taken of their budget: one row for each time that a break occurred. slot is that of the
-- class, so that all of a class are counted in one place.
CREATE TABLE repair_grant (
  slot TEXT NOT NULL CHECK (length(slot) = 3 OR length(slot) >= 5),
  class TEXT NOT NULL,
  discrepancy TEXT NOT NULL,
  occurrence INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount >= 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (slot, class, discrepancy, occurrence)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX repair_grant_age ON repair_grant (slot, class, at);
--> statement-breakpoint
CREATE TABLE reconciliation_run (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  comparison TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'finished')),
  -- The last key that is done; NULL before the first checkpoint.
  cursor TEXT,
  compared INTEGER NOT NULL DEFAULT 0,
  young INTEGER NOT NULL DEFAULT 0,
  -- Breaks by class, as JSON.
  found TEXT NOT NULL DEFAULT '{}',
  version INTEGER NOT NULL DEFAULT 1,
  started_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  finished_at INTEGER
);
--> statement-breakpoint
CREATE TRIGGER discrepancy_found AFTER INSERT ON discrepancy WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  INSERT INTO discrepancy_journal (discrepancy, version, occurrence, state, action, amount, detail, actor, note, at)
  VALUES (NEW.id, NEW.version, NEW.occurrence, NEW.state, NEW.action, NEW.amount, NEW.detail, NEW.actor, NEW.note, NEW.changed_at);
END;
--> statement-breakpoint
CREATE TRIGGER discrepancy_moved AFTER UPDATE ON discrepancy WHEN NEW.version <> OLD.version AND (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  INSERT INTO discrepancy_journal (discrepancy, version, occurrence, state, action, amount, detail, actor, note, at)
  VALUES (NEW.id, NEW.version, NEW.occurrence, NEW.state, NEW.action, NEW.amount, NEW.detail, NEW.actor, NEW.note, NEW.changed_at);
END;
--> statement-breakpoint
-- No change of what counts escapes the journal.
CREATE TRIGGER discrepancy_counted BEFORE UPDATE ON discrepancy WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'unjournalled_change') WHERE NEW.version <> OLD.version + 1 AND (NEW.version <> OLD.version
    OR (NEW.state, NEW.action, NEW.amount, NEW.detail, NEW.occurrence, NEW.proposed, NEW.maker, NEW.checker, NEW.assignee)
      IS NOT (OLD.state, OLD.action, OLD.amount, OLD.detail, OLD.occurrence, OLD.proposed, OLD.maker, OLD.checker, OLD.assignee));
END;
--> statement-breakpoint
CREATE TRIGGER discrepancy_journal_not_updated
BEFORE UPDATE ON discrepancy_journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER discrepancy_journal_not_deleted
BEFORE DELETE ON discrepancy_journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TABLE reconciliation_digest (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  entity TEXT NOT NULL,
  -- What never changes about an entry: the day it was made, in days since 1970.
  day INTEGER NOT NULL,
  count INTEGER NOT NULL,
  hash INTEGER NOT NULL CHECK (hash >= 0 AND hash < 281474976710656),
  PRIMARY KEY (slot, entity, day)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX reconciliation_digest_day ON reconciliation_digest (entity, day, slot);
