-- Operations that moved money, as two feeds tell of them: the provider's daily statement, and our own ledger. The key is
-- made of the provider's name of the operation, so that both tell of one under one key.
CREATE TABLE money_entry (
  key TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('provider', 'ledger')),
  -- The provider's name of the payment; NULL where it names none.
  payment TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('capture', 'refund', 'chargeback')),
  -- Minor units, never below zero: the kind says which way it went.
  amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount >= 0),
  currency TEXT NOT NULL,
  -- By the provider's clock, on both sides.
  at INTEGER NOT NULL,
  PRIMARY KEY (key, source)
) WITHOUT ROWID;
--> statement-breakpoint
-- How far each feed has come.
CREATE TABLE feed (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  name TEXT NOT NULL,
  -- What is next, as the feed spells it.
  position TEXT NOT NULL,
  -- Everything up to then is in money_entry.
  complete_to INTEGER NOT NULL,
  -- NOT NULL is the gate: a write that has not seen the last version aborts.
  version INTEGER NOT NULL,
  PRIMARY KEY (slot, name)
) WITHOUT ROWID;
--> statement-breakpoint
-- Runs that somebody goes on with, and the newest.
CREATE INDEX reconciliation_run_open ON reconciliation_run (changed_at) WHERE state = 'running';
--> statement-breakpoint
CREATE INDEX reconciliation_run_newest ON reconciliation_run (started_at, id);
