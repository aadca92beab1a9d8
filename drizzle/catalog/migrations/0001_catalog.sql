CREATE TABLE product (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  -- Unique over all shards by the lookup of kind 'sku', which no index here could promise.
  sku TEXT NOT NULL,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  category TEXT NOT NULL,
  price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  -- NULL when the house itself sells it.
  seller TEXT CHECK (length(seller) = 20),
  version INTEGER NOT NULL CHECK (version > 0),
  created_at INTEGER NOT NULL
);
--> statement-breakpoint
-- With a rowid: the path of a deep category is longer than 200 bytes.
CREATE TABLE category (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  path TEXT NOT NULL CHECK (json_valid(path)),
  PRIMARY KEY (slot, key)
);
--> statement-breakpoint
CREATE TABLE category_product (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  category TEXT NOT NULL,
  time_key TEXT NOT NULL CHECK (length(time_key) = 20),
  product TEXT NOT NULL CHECK (length(product) = 20),
  title TEXT NOT NULL,
  price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  PRIMARY KEY (slot, category, time_key)
) WITHOUT ROWID;
