CREATE TABLE member (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  handle TEXT NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version > 0),
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE TABLE credential (
  member TEXT NOT NULL PRIMARY KEY CHECK (length(member) = 20),
  hash TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE session (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20),
  member TEXT NOT NULL CHECK (length(member) = 20),
  secret_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX session_member ON session (member);
--> statement-breakpoint
CREATE TABLE password_reset (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20),
  member TEXT NOT NULL CHECK (length(member) = 20),
  secret_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;
