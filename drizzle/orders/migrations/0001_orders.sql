CREATE TABLE cart (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  member TEXT CHECK (length(member) = 20),
  secret_hash TEXT CHECK (length(secret_hash) = 64),
  -- NOT NULL is the gate: a compare-and-set that fails writes NULL here and aborts its batch.
  version INTEGER NOT NULL CHECK (version > 0),
  created_at INTEGER NOT NULL,
  ordered_by TEXT CHECK (length(ordered_by) = 20),
  CHECK ((member IS NULL) <> (secret_hash IS NULL))
);
--> statement-breakpoint
CREATE TABLE cart_item (
  cart TEXT NOT NULL CHECK (length(cart) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  -- NOT NULL is the gate of a full cart.
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 999),
  at INTEGER NOT NULL,
  PRIMARY KEY (cart, product)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE order_head (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  buyer TEXT NOT NULL CHECK (length(buyer) = 20),
  cart TEXT NOT NULL CHECK (length(cart) = 20),
  state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'rejected')),
  total_minor INTEGER NOT NULL CHECK (total_minor BETWEEN 0 AND 1000000000000),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  -- 1 placed, 2 confirmed or rejected. NOT NULL is the gate, as in cart.
  version INTEGER NOT NULL CHECK (version IN (1, 2)),
  created_at INTEGER NOT NULL,
  cause TEXT NOT NULL,
  CHECK ((state = 'pending') = (version = 1))
);
--> statement-breakpoint
CREATE INDEX order_head_buyer ON order_head (buyer, id);
--> statement-breakpoint
CREATE TABLE order_line (
  order_id TEXT NOT NULL CHECK (length(order_id) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  title TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 999),
  price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
  seller TEXT CHECK (length(seller) = 20),
  -- NOT NULL is the gate of an answer that was taken for not the last.
  state TEXT NOT NULL CHECK (state IN ('pending', 'reserved', 'refused')),
  PRIMARY KEY (order_id, product)
) WITHOUT ROWID;
