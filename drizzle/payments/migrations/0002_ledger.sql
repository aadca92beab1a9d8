-- Append-only double entry. A journal row is one entry of one account, whose lines sum to zero in each currency; its
-- postings and the balances follow from it by trigger. Every row begins with its account's id and moves with it.
CREATE TABLE journal (
  account TEXT NOT NULL CHECK (length(account) = 20),
  -- Dense from 1 in the account.
  seq INTEGER NOT NULL CHECK (seq > 0),
  -- What caused it. Each cause is booked once in an account, for ever.
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  -- [[book, currency, amount], ...]: above 0 credits the book, below 0 debits it.
  lines TEXT NOT NULL CHECK (json_valid(lines)),
  at INTEGER NOT NULL,
  PRIMARY KEY (account, seq),
  UNIQUE (account, source)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE posting (
  account TEXT NOT NULL CHECK (length(account) = 20),
  -- The journal row it belongs to.
  seq INTEGER NOT NULL CHECK (seq > 0),
  book TEXT NOT NULL,
  currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
  amount INTEGER NOT NULL CONSTRAINT invalid_amount CHECK (typeof(amount) = 'integer' AND amount <> 0),
  PRIMARY KEY (account, seq, book, currency)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE balance (
  account TEXT NOT NULL CHECK (length(account) = 20),
  book TEXT NOT NULL,
  currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
  -- Sums that only grow; the balance is credit - debit.
  debit INTEGER NOT NULL DEFAULT 0,
  credit INTEGER NOT NULL DEFAULT 0,
  -- 1: may not go below zero. 0: may, as clearing and the world outside do.
  limited INTEGER NOT NULL CHECK (limited IN (0, 1)),
  -- The journal row that changed it last.
  seq INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, book, currency),
  CONSTRAINT balance_overflow CHECK (typeof(debit) = 'integer' AND typeof(credit) = 'integer'),
  CONSTRAINT insufficient_funds CHECK (limited = 0 OR credit >= debit)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE hold (
  account TEXT NOT NULL CHECK (length(account) = 20),
  gid TEXT NOT NULL,
  branch TEXT NOT NULL,
  -- out: frozen until it leaves or is given back. in: announced, and nothing until it comes.
  direction TEXT NOT NULL CHECK (direction IN ('out', 'in')),
  currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
  amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
  captured INTEGER NOT NULL DEFAULT 0 CHECK (captured >= 0),
  released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0),
  at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (account, gid, branch),
  CONSTRAINT hold_exceeded CHECK (captured + released <= amount)
) WITHOUT ROWID;
--> statement-breakpoint
-- The hash chain over an account's journal, up to and with seq.
CREATE TABLE seal (
  account TEXT NOT NULL CHECK (length(account) = 20),
  seq INTEGER NOT NULL CHECK (seq > 0),
  hash TEXT NOT NULL CHECK (length(hash) = 64),
  at INTEGER NOT NULL,
  PRIMARY KEY (account, seq)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TRIGGER journal_balanced BEFORE INSERT ON journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'unbalanced_entry') WHERE json_array_length(NEW.lines) = 0 OR EXISTS (
    SELECT 1 FROM json_each(NEW.lines) GROUP BY value ->> 1 HAVING sum(value ->> 2) <> 0);
  SELECT RAISE(ABORT, 'journal_gap') WHERE NEW.seq IS NOT 1 + coalesce(
    (SELECT max(seq) FROM journal WHERE account = NEW.account), 0);
END;
--> statement-breakpoint
CREATE TRIGGER journal_posted AFTER INSERT ON journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  INSERT INTO posting (account, seq, book, currency, amount)
  SELECT NEW.account, NEW.seq, value ->> 0, value ->> 1, value ->> 2 FROM json_each(NEW.lines);
END;
--> statement-breakpoint
CREATE TRIGGER posting_founded BEFORE INSERT ON posting WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'posting_without_entry') WHERE NOT EXISTS (
    SELECT 1 FROM journal, json_each(journal.lines) AS line
    WHERE journal.account = NEW.account AND journal.seq = NEW.seq AND line.value ->> 0 = NEW.book
      AND line.value ->> 1 = NEW.currency AND line.value ->> 2 = NEW.amount);
  SELECT RAISE(ABORT, 'unknown_account') WHERE NOT EXISTS (
    SELECT 1 FROM balance WHERE account = NEW.account AND book = NEW.book AND currency = NEW.currency);
END;
--> statement-breakpoint
CREATE TRIGGER posting_applied AFTER INSERT ON posting WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  UPDATE balance SET seq = NEW.seq, debit = debit + max(-NEW.amount, 0), credit = credit + max(NEW.amount, 0)
  WHERE account = NEW.account AND book = NEW.book AND currency = NEW.currency;
END;
--> statement-breakpoint
CREATE TRIGGER balance_opened BEFORE INSERT ON balance WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'balance_without_posting') WHERE NEW.debit <> 0 OR NEW.credit <> 0 OR NEW.seq <> 0;
END;
--> statement-breakpoint
-- A balance changes by a posting that has not been counted, and by its very amount; nothing else about it changes.
CREATE TRIGGER balance_backed BEFORE UPDATE ON balance WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'balance_without_posting') WHERE NEW.seq <= OLD.seq OR NEW.limited <> OLD.limited
    OR NOT EXISTS (SELECT 1 FROM posting
      WHERE account = NEW.account AND seq = NEW.seq AND book = NEW.book AND currency = NEW.currency
        AND max(amount, 0) = NEW.credit - OLD.credit AND max(-amount, 0) = NEW.debit - OLD.debit);
  SELECT RAISE(ABORT, 'append_only')
  WHERE NEW.account <> OLD.account OR NEW.book <> OLD.book OR NEW.currency <> OLD.currency;
END;
--> statement-breakpoint
CREATE TRIGGER balance_not_deleted BEFORE DELETE ON balance WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
-- What is promised can be kept: the books that it goes through are open.
CREATE TRIGGER hold_opened BEFORE INSERT ON hold WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'unknown_account') WHERE 2 <> (SELECT count(*) FROM balance
    WHERE account = NEW.account AND book IN ('available', 'clearing') AND currency = NEW.currency);
  SELECT RAISE(ABORT, 'hold_not_open') WHERE NEW.captured <> 0 OR NEW.released <> 0;
END;
--> statement-breakpoint
CREATE TRIGGER hold_forward BEFORE UPDATE ON hold WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only') WHERE NEW.captured < OLD.captured OR NEW.released < OLD.released
    OR NEW.amount <> OLD.amount OR NEW.currency <> OLD.currency OR NEW.direction <> OLD.direction
    OR NEW.account <> OLD.account OR NEW.gid <> OLD.gid OR NEW.branch <> OLD.branch;
END;
--> statement-breakpoint
CREATE TRIGGER hold_not_deleted BEFORE DELETE ON hold WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER journal_not_updated BEFORE UPDATE ON journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER journal_not_deleted BEFORE DELETE ON journal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER posting_not_updated BEFORE UPDATE ON posting WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER posting_not_deleted BEFORE DELETE ON posting WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER seal_not_updated BEFORE UPDATE ON seal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER seal_not_deleted BEFORE DELETE ON seal WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
