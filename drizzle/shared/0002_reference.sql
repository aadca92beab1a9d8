-- Reference tables: small, the same in every database, written whole from the truth in meta. Their names begin with an
-- underscore: they are a database's own, neither fenced nor moved, and queries join them where they are. The first
-- column is the key.

-- Which version of each this database has, written in the batch that writes its rows, and never lowered.
CREATE TABLE _reference (
  name TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL CHECK (version > 0)
) WITHOUT ROWID;
--> statement-breakpoint
-- ISO 4217: the currencies in use, and how many decimal places an amount has whose minor units are stored.
CREATE TABLE _currency (
  code TEXT NOT NULL PRIMARY KEY CHECK (length(code) = 3),
  exponent INTEGER NOT NULL CHECK (exponent BETWEEN 0 AND 4),
  name TEXT NOT NULL
) WITHOUT ROWID;
