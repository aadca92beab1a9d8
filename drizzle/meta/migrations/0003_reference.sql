-- The truth of the reference tables, of which every database has a copy; written by compare-and-set on version.
CREATE TABLE reference (
  name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 40),
  version INTEGER NOT NULL CHECK (version > 0),
  -- JSON: the names of the columns, the key's first; and the rows, arrays in that order, by key.
  columns TEXT NOT NULL,
  rows TEXT NOT NULL,
  changed_at INTEGER NOT NULL
);
