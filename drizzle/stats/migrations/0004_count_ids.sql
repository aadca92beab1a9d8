-- An id's part behind its slot becomes ten bytes, where it was two whole numbers: hi held the time since 2037 in units of
-- 4 ms, and 10 bits of owner; lo the last two bits of the time, and 30 of tail. The bytes are 40 bits of time since 2020, 10
-- of owner, 30 of tail; where the time is none of 2020 to 2054, one byte more.
ALTER TABLE count_thaw RENAME TO count_thaw_words;
--> statement-breakpoint
-- Objects that were counted again while a page may hold them: their total is row and page together.
CREATE TABLE count_thaw (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  kind TEXT NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (slot, kind, id)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO count_thaw (slot, kind, id)
SELECT slot, kind, unhex(printf('%010X%010X', since & 1099511627775, ((hi & 1023) << 30) | (lo & 1073741823))
  || CASE since >> 40 WHEN 0 THEN '' ELSE printf('%02X', (since >> 40) + 2) END)
FROM (SELECT slot, kind, hi, lo, (hi >> 10) * 4 + ((lo >> 30) & 3) + 536544000000 AS since FROM count_thaw_words);
--> statement-breakpoint
DROP TABLE count_thaw_words;
--> statement-breakpoint
ALTER TABLE count_member RENAME TO count_member_words;
--> statement-breakpoint
-- What objects of kind member are counted by, a row an object: id is the rest of the object's, behind its slot.
CREATE TABLE count_member (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  id BLOB NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, id)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO count_member (slot, id, views, shares)
SELECT slot, unhex(printf('%010X%010X', since & 1099511627775, ((hi & 1023) << 30) | (lo & 1073741823))
  || CASE since >> 40 WHEN 0 THEN '' ELSE printf('%02X', (since >> 40) + 2) END), views, shares
FROM (SELECT slot, hi, lo, views, shares, (hi >> 10) * 4 + ((lo >> 30) & 3) + 536544000000 AS since FROM count_member_words);
--> statement-breakpoint
DROP TABLE count_member_words;
--> statement-breakpoint
ALTER TABLE count_product RENAME TO count_product_words;
--> statement-breakpoint
-- What objects of kind product are counted by, a row an object: id is the rest of the object's, behind its slot.
CREATE TABLE count_product (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  id BLOB NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, id)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO count_product (slot, id, views, shares)
SELECT slot, unhex(printf('%010X%010X', since & 1099511627775, ((hi & 1023) << 30) | (lo & 1073741823))
  || CASE since >> 40 WHEN 0 THEN '' ELSE printf('%02X', (since >> 40) + 2) END), views, shares
FROM (SELECT slot, hi, lo, views, shares, (hi >> 10) * 4 + ((lo >> 30) & 3) + 536544000000 AS since FROM count_product_words);
--> statement-breakpoint
DROP TABLE count_product_words;
--> statement-breakpoint
ALTER TABLE count_post RENAME TO count_post_words;
--> statement-breakpoint
-- What objects of kind post are counted by, a row an object: id is the rest of the object's, behind its slot.
CREATE TABLE count_post (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  id BLOB NOT NULL,
  views INTEGER NOT NULL DEFAULT 0 CHECK (views BETWEEN -9007199254740991 AND 9007199254740991),
  shares INTEGER NOT NULL DEFAULT 0 CHECK (shares BETWEEN -9007199254740991 AND 9007199254740991),
  PRIMARY KEY (slot, id)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO count_post (slot, id, views, shares)
SELECT slot, unhex(printf('%010X%010X', since & 1099511627775, ((hi & 1023) << 30) | (lo & 1073741823))
  || CASE since >> 40 WHEN 0 THEN '' ELSE printf('%02X', (since >> 40) + 2) END), views, shares
FROM (SELECT slot, hi, lo, views, shares, (hi >> 10) * 4 + ((lo >> 30) & 3) + 536544000000 AS since FROM count_post_words);
--> statement-breakpoint
DROP TABLE count_post_words;
