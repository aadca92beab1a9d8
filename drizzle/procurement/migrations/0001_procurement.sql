CREATE TABLE supplier (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version > 0),
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
CREATE TABLE purchase_order (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  supplier TEXT NOT NULL CHECK (length(supplier) = 20),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  total_minor INTEGER NOT NULL CHECK (total_minor >= 0),
  -- The number of its receipts, and the order number of its last event.
  version INTEGER NOT NULL CHECK (version >= 0),
  created_at INTEGER NOT NULL,
  CHECK (substr(id, 1, 5) = substr(supplier, 1, 5))
);
--> statement-breakpoint
CREATE TABLE purchase_order_line (
  purchase_order TEXT NOT NULL CHECK (length(purchase_order) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  -- Where the line stood in the request.
  position INTEGER NOT NULL CHECK (position >= 0),
  ordered INTEGER NOT NULL CHECK (ordered > 0),
  received INTEGER NOT NULL DEFAULT 0 CHECK (received >= 0),
  cost_minor INTEGER NOT NULL CHECK (cost_minor >= 0),
  PRIMARY KEY (purchase_order, product),
  CHECK (received <= ordered)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE receipt (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  purchase_order TEXT NOT NULL CHECK (length(purchase_order) = 20),
  -- The version of the purchase order after it. NOT NULL is what stops a batch whose version was stale.
  version INTEGER NOT NULL CHECK (version > 0),
  lines TEXT NOT NULL CHECK (json_valid(lines)),
  created_at INTEGER NOT NULL,
  UNIQUE (purchase_order, version),
  CHECK (substr(id, 1, 5) = substr(purchase_order, 1, 5))
);
