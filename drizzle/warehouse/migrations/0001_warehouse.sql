CREATE TABLE stock (
  product TEXT NOT NULL PRIMARY KEY CHECK (length(product) = 20),
  on_hand INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  -- One more with each movement: the order of the product's ledger.
  version INTEGER NOT NULL CHECK (version > 0),
  CHECK (reserved >= 0),
  CHECK (on_hand >= reserved)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE reservation (
  -- Made from product and order, so that each redelivery means the same row.
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  order_id TEXT NOT NULL CHECK (length(order_id) = 20),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  state TEXT NOT NULL CHECK (state IN ('reserved', 'refused', 'released')),
  version INTEGER NOT NULL CHECK (version > 0),
  changed_at INTEGER NOT NULL,
  UNIQUE (product, order_id),
  CHECK (substr(id, 1, 5) = substr(product, 1, 5))
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE movement (
  -- Made from product, type and ref: each cause moves the stock once.
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  version INTEGER NOT NULL CHECK (version > 0),
  type TEXT NOT NULL CHECK (type IN ('opening', 'receipt', 'reserve', 'release')),
  quantity INTEGER NOT NULL,
  ref TEXT NOT NULL CHECK (length(ref) = 20),
  balance_on_hand INTEGER NOT NULL,
  balance_reserved INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (product, version),
  CHECK (quantity > 0 OR (type = 'opening' AND quantity = 0)),
  CHECK (substr(id, 1, 5) = substr(product, 1, 5))
) WITHOUT ROWID;
