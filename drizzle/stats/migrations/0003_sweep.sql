-- How far the sweeper has come in each bucket, task by task: at is the last key that it has dealt with.
CREATE TABLE count_sweep (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  task TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (slot, task)
) WITHOUT ROWID;
