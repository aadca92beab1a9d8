-- The cancellation of a confirmed order, beside it: order_head says how it was decided, and that stays. An order has one
-- at a time; one that was refused makes room for the next.
CREATE TABLE order_cancellation (
  order_id TEXT NOT NULL PRIMARY KEY CHECK (length(order_id) = 20),
  -- NOT NULL is the gate of a cancellation while there is another.
  saga TEXT NOT NULL CHECK (length(saga) = 20),
  -- NOT NULL is the gate of a second decision.
  state TEXT NOT NULL CHECK (state IN ('pending', 'cancelled', 'refused')),
  asked_by TEXT NOT NULL CHECK (asked_by IN ('buyer', 'operator')),
  -- Why it was refused.
  code TEXT,
  asked_at INTEGER NOT NULL,
  decided_at INTEGER,
  -- The request that led to this state.
  cause TEXT NOT NULL,
  CHECK ((state = 'pending') = (decided_at IS NULL))
) WITHOUT ROWID;
--> statement-breakpoint
-- What became of an order's money, as the payments service has told: each operation once, whenever it is heard of.
CREATE TABLE order_money (
  order_id TEXT NOT NULL CHECK (length(order_id) = 20),
  payment TEXT NOT NULL CHECK (length(payment) = 20),
  operation TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('captured', 'voided', 'refunded', 'disputed')),
  amount_minor INTEGER NOT NULL CHECK (typeof(amount_minor) = 'integer' AND amount_minor >= 0),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  at INTEGER NOT NULL,
  -- The event that told.
  event TEXT NOT NULL CHECK (length(event) = 20),
  PRIMARY KEY (order_id, payment, operation)
) WITHOUT ROWID;
