-- Timelines in four tables of one shape: the rows of a slot lie in timeline_{(slot >> 6) & 3}. Those bits of the slot are
-- in the second character of the owner's id, so that the table can be told in SQL too.
CREATE TABLE timeline_0 (
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
--> statement-breakpoint
CREATE TABLE timeline_1 (
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
--> statement-breakpoint
CREATE TABLE timeline_2 (
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
--> statement-breakpoint
CREATE TABLE timeline_3 (
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
--> statement-breakpoint
INSERT INTO timeline_0 (owner, time_key, post, author, text, created_at)
SELECT owner, time_key, post, author, text, created_at FROM timeline
WHERE ((instr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(owner, 2, 1)) - 1) >> 1) & 3 = 0;
--> statement-breakpoint
INSERT INTO timeline_1 (owner, time_key, post, author, text, created_at)
SELECT owner, time_key, post, author, text, created_at FROM timeline
WHERE ((instr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(owner, 2, 1)) - 1) >> 1) & 3 = 1;
--> statement-breakpoint
INSERT INTO timeline_2 (owner, time_key, post, author, text, created_at)
SELECT owner, time_key, post, author, text, created_at FROM timeline
WHERE ((instr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(owner, 2, 1)) - 1) >> 1) & 3 = 2;
--> statement-breakpoint
INSERT INTO timeline_3 (owner, time_key, post, author, text, created_at)
SELECT owner, time_key, post, author, text, created_at FROM timeline
WHERE ((instr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(owner, 2, 1)) - 1) >> 1) & 3 = 3;
--> statement-breakpoint
DROP TABLE timeline;
