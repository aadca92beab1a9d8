-- Unsharded and unfenced: one row, written by compare-and-set on `version` by one job at a time.
CREATE TABLE topology (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL CHECK (version > 0),
  -- JSON: for each keyspace its shards and its slot ranges.
  document TEXT NOT NULL,
  changed_at INTEGER NOT NULL
);
