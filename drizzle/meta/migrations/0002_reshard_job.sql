-- Moves of keys between the databases of a keyspace, written by compare-and-set on version. They say what is to be
-- done next; what has happened is said by the databases themselves.
CREATE TABLE reshard_job (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
  keyspace TEXT NOT NULL,
  phase TEXT NOT NULL,
  -- JSON: what moves, from where to where, and all that was fixed when the move was planned.
  spec TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version > 0),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  note TEXT
);
