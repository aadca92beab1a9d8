CREATE TABLE reply (
  n INTEGER PRIMARY KEY,
  -- The sixth character is the lane: replies to one author's posts can be spread over databases lane by lane.
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  post TEXT NOT NULL CHECK (length(post) = 20),
  -- When it was written, unique: what the id would say of its time if the lane were not in the way.
  time_key TEXT NOT NULL CHECK (length(time_key) = 20),
  author TEXT NOT NULL CHECK (length(author) = 20),
  text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  CHECK (substr(id, 1, 5) = substr(post, 1, 5)),
  CHECK (substr(id, 6, 1) >= 'G')
);
--> statement-breakpoint
CREATE INDEX reply_post ON reply (post, time_key);
