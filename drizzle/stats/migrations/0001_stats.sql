-- A subject is an id, so its first three characters are the slot that the row moves with.
CREATE TABLE counter (
  subject TEXT NOT NULL CHECK (length(subject) = 20),
  metric TEXT NOT NULL,
  n INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (subject, metric)
) WITHOUT ROWID;
