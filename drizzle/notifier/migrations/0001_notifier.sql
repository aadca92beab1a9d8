CREATE TABLE webhook_endpoint (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  member TEXT NOT NULL CHECK (length(member) = 20 AND substr(member, 1, 5) = substr(id, 1, 5)),
  url TEXT NOT NULL,
  -- A JSON list of event types.
  types TEXT NOT NULL CHECK (json_valid(types)),
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- 'gone': the endpoint answered 410, and is called no more.
  state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'gone'))
);
--> statement-breakpoint
CREATE INDEX webhook_endpoint_member ON webhook_endpoint (member);
--> statement-breakpoint
-- Every event of a member is sent to each of them; the twenty-first would be an amplifier, not a listener.
CREATE TRIGGER webhook_endpoints_full BEFORE INSERT ON webhook_endpoint
WHEN (SELECT mover FROM _fence) IS NULL
  AND (SELECT count(*) FROM webhook_endpoint WHERE member = NEW.member AND state = 'active') >= 20
BEGIN
  SELECT RAISE(ABORT, 'webhook_endpoints_full');
END;
--> statement-breakpoint
CREATE TABLE delivery (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  endpoint TEXT NOT NULL CHECK (length(endpoint) = 20 AND substr(endpoint, 1, 5) = substr(id, 1, 5)),
  type TEXT NOT NULL,
  event_id TEXT NOT NULL CHECK (length(event_id) = 20),
  -- The very bytes of every attempt.
  payload TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- NULL before the first attempt, and when the last one got no answer.
  last_status INTEGER,
  created_at INTEGER NOT NULL,
  done_at INTEGER,
  UNIQUE (endpoint, event_id),
  CHECK ((state = 'pending') = (done_at IS NULL))
);
--> statement-breakpoint
CREATE INDEX delivery_newest ON delivery (endpoint, id);
