-- How a receiver says that it has a delivery: by its status, by the words of its answer too, or by a call of its own.
ALTER TABLE webhook_endpoint ADD COLUMN ack TEXT NOT NULL DEFAULT 'status' CHECK (ack IN ('status', 'body', 'call'));
--> statement-breakpoint
-- The secret before the last rotation: both sign until its time is over.
ALTER TABLE webhook_endpoint ADD COLUMN secret_before TEXT;
--> statement-breakpoint
ALTER TABLE webhook_endpoint ADD COLUMN secret_before_until INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
ALTER TABLE webhook_endpoint ADD COLUMN health TEXT NOT NULL DEFAULT 'healthy'
  CHECK (health IN ('healthy', 'degraded', 'suspended'));
--> statement-breakpoint
-- Attempts that failed since the last one that did not, and when the first of them was.
ALTER TABLE webhook_endpoint ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
ALTER TABLE webhook_endpoint ADD COLUMN failing_since INTEGER;
--> statement-breakpoint
-- Until when the attempts that were begun use up the endpoint's rate (generic cell rate algorithm).
ALTER TABLE webhook_endpoint ADD COLUMN paced_to INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- When a suspended endpoint may be tried again.
ALTER TABLE webhook_endpoint ADD COLUMN probe_at INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- When the next attempt is due; 0: at once.
ALTER TABLE delivery ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- Who makes an attempt now, and until when nobody else does.
ALTER TABLE delivery ADD COLUMN lease TEXT;
--> statement-breakpoint
ALTER TABLE delivery ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- The attempts of earlier rounds: a delivery that is sent anew goes through the whole schedule again.
ALTER TABLE delivery ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- When the round began, of one that was sent anew.
ALTER TABLE delivery ADD COLUMN begun_at INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- The order number of the last event that asked for an attempt.
ALTER TABLE delivery ADD COLUMN asked INTEGER NOT NULL DEFAULT 1 CHECK (asked > 0);
--> statement-breakpoint
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'pending';
--> statement-breakpoint
CREATE INDEX delivery_busy ON delivery (endpoint, lease_until) WHERE state = 'pending';
--> statement-breakpoint
CREATE TABLE attempt (
  n INTEGER PRIMARY KEY,
  delivery TEXT NOT NULL CHECK (length(delivery) = 20),
  number INTEGER NOT NULL CHECK (number > 0),
  at INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
  -- NULL when no answer came; then error says why.
  status INTEGER,
  error TEXT,
  -- How the answer began.
  answer TEXT NOT NULL,
  UNIQUE (delivery, number)
);
--> statement-breakpoint
-- The last number given to an event of a member. Never removed: numbers are not given twice.
CREATE TABLE merchant_sequence (
  member TEXT NOT NULL PRIMARY KEY CHECK (length(member) = 20),
  last INTEGER NOT NULL CHECK (last > 0)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE merchant_event (
  n INTEGER PRIMARY KEY,
  member TEXT NOT NULL CHECK (length(member) = 20),
  -- Given in the transaction that writes the row: who sees a number sees all before it.
  seq INTEGER NOT NULL CHECK (seq > 0),
  event_id TEXT NOT NULL CHECK (length(event_id) = 20),
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (member, seq),
  UNIQUE (member, event_id)
);
--> statement-breakpoint
CREATE INDEX merchant_event_time ON merchant_event (member, at);
--> statement-breakpoint
CREATE TABLE notice (
  member TEXT NOT NULL CHECK (length(member) = 20),
  id TEXT NOT NULL CHECK (length(id) = 20 AND substr(id, 1, 5) = substr(member, 1, 5)),
  type TEXT NOT NULL,
  order_id TEXT NOT NULL CHECK (length(order_id) = 20),
  created_at INTEGER NOT NULL,
  read_at INTEGER,
  PRIMARY KEY (member, id)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX notice_unread ON notice (member, id) WHERE read_at IS NULL;
