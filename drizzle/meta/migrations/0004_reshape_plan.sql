-- What an operator asked for when it takes several moves: written before the first, so that whoever goes on after a
-- kill knows what is left when those that were written down are done.
CREATE TABLE reshape_plan (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
  -- JSON: what the command asked for.
  wish TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'dropped')),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
