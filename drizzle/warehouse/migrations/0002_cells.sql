-- A product's stock lies in cells: its home, whose key is the product, and lanes, whose keys have a letter from G on in
-- the place of the product's sixth character. What moves between two cells leaves one and arrives in the other, once.
CREATE TABLE transfer (
  cell TEXT NOT NULL CHECK (length(cell) = 20),
  -- Of the cell's stock: versions without a movement are those of transfers.
  version INTEGER NOT NULL CHECK (version > 0),
  -- Of a leaving: its own. Of an arrival: made from that.
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  peer TEXT NOT NULL CHECK (length(peer) = 20),
  -- Below zero where it leaves.
  quantity INTEGER NOT NULL CHECK (quantity <> 0),
  balance_on_hand INTEGER NOT NULL,
  balance_reserved INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (cell, version),
  CHECK (substr(id, 1, 6) = substr(cell, 1, 6)),
  CHECK (substr(peer, 1, 5) = substr(cell, 1, 5))
) WITHOUT ROWID;
