CREATE TABLE profile (
  member TEXT NOT NULL PRIMARY KEY CHECK (length(member) = 20),
  posts INTEGER NOT NULL DEFAULT 0 CHECK (posts >= 0),
  followers INTEGER NOT NULL DEFAULT 0 CHECK (followers >= 0),
  following INTEGER NOT NULL DEFAULT 0 CHECK (following >= 0),
  version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE post (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  author TEXT NOT NULL CHECK (length(author) = 20),
  text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0)
);
--> statement-breakpoint
CREATE INDEX post_author ON post (author, id);
--> statement-breakpoint
-- An edge at its follower: the aggregate whose versions order the events. A row stays when the edge ends.
CREATE TABLE follow (
  follower TEXT NOT NULL CHECK (length(follower) = 20),
  followee TEXT NOT NULL CHECK (length(followee) = 20),
  id TEXT NOT NULL CHECK (length(id) = 20),
  version INTEGER NOT NULL CHECK (version > 0),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  at INTEGER NOT NULL,
  PRIMARY KEY (follower, followee),
  CHECK (follower <> followee)
) WITHOUT ROWID;
--> statement-breakpoint
-- The same edge at its followee, as the newest event that has arrived says.
CREATE TABLE follower (
  followee TEXT NOT NULL CHECK (length(followee) = 20),
  follower TEXT NOT NULL CHECK (length(follower) = 20),
  version INTEGER NOT NULL CHECK (version > 0),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  at INTEGER NOT NULL,
  PRIMARY KEY (followee, follower)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE timeline (
  n INTEGER PRIMARY KEY,
  owner TEXT NOT NULL CHECK (length(owner) = 20),
  -- The post's id with its time first, so that posts of many authors sort by time.
  time_key TEXT NOT NULL CHECK (length(time_key) = 20),
  post TEXT NOT NULL CHECK (length(post) = 20),
  author TEXT NOT NULL CHECK (length(author) = 20),
  text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (owner, time_key)
);
