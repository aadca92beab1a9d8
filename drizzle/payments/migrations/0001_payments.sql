-- Payments, in their buyer's place. The sums of a payment are those of its operations, by trigger, at every instant:
-- nobody writes them by hand.
CREATE TABLE payment (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  buyer TEXT NOT NULL CHECK (length(buyer) = 20),
  -- NULL for a top-up of the buyer's wallet.
  order_id TEXT CHECK (length(order_id) = 20),
  -- The branch of the saga that it is; NULL for a top-up.
  gid TEXT,
  branch TEXT,
  provider TEXT NOT NULL,
  -- What the provider calls it, once it has answered.
  provider_ref TEXT,
  amount_minor INTEGER NOT NULL CHECK (typeof(amount_minor) = 'integer' AND amount_minor > 0),
  currency TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
  authorised_minor INTEGER NOT NULL DEFAULT 0,
  captured_minor INTEGER NOT NULL DEFAULT 0,
  voided_minor INTEGER NOT NULL DEFAULT 0,
  refunded_minor INTEGER NOT NULL DEFAULT 0,
  charged_back_minor INTEGER NOT NULL DEFAULT 0,
  -- Asked of the provider, whose answer is not known.
  capturing_minor INTEGER NOT NULL DEFAULT 0,
  voiding_minor INTEGER NOT NULL DEFAULT 0,
  refunding_minor INTEGER NOT NULL DEFAULT 0,
  -- When the oldest of those was asked; NULL when there is none.
  open_since INTEGER,
  -- One more with each operation that the provider has answered: the order number of the event that tells of it.
  version INTEGER NOT NULL DEFAULT 0,
  -- When it was bound to its order: only then is it captured.
  bound_at INTEGER,
  created_at INTEGER NOT NULL,
  CHECK ((order_id IS NULL) = (gid IS NULL) AND (gid IS NULL) = (branch IS NULL)),
  CONSTRAINT authorisation_exceeds_payment CHECK (authorised_minor <= amount_minor),
  CONSTRAINT capture_exceeds_authorisation CHECK (captured_minor + voided_minor <= authorised_minor),
  CONSTRAINT refund_exceeds_capture CHECK (refunded_minor <= captured_minor)
);
--> statement-breakpoint
CREATE INDEX payment_order ON payment (order_id, id) WHERE order_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX payment_open ON payment (open_since) WHERE open_since IS NOT NULL;
--> statement-breakpoint
-- What was asked of a provider, and what it did: append-only.
CREATE TABLE payment_operation (
  n INTEGER PRIMARY KEY,
  payment TEXT NOT NULL CHECK (length(payment) = 20),
  -- Tells the operations of a payment apart, here and at the provider.
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund', 'chargeback')),
  phase TEXT NOT NULL CHECK (phase IN ('requested', 'action_required', 'succeeded', 'failed')),
  -- 0 asked, 1 waits for the payer, 2 ended: an operation is in each once, and ends in one way.
  stage INTEGER NOT NULL CHECK (stage = CASE phase WHEN 'requested' THEN 0 WHEN 'action_required' THEN 1 ELSE 2 END),
  amount_minor INTEGER NOT NULL CHECK (typeof(amount_minor) = 'integer' AND amount_minor >= 0),
  provider_ref TEXT,
  code TEXT,
  at INTEGER NOT NULL,
  -- The request or callback by which it was learnt.
  cause TEXT NOT NULL,
  UNIQUE (payment, name, stage)
);
--> statement-breakpoint
-- The callbacks that were taken; each is worked on once.
CREATE TABLE payment_callback (
  payment TEXT NOT NULL CHECK (length(payment) = 20),
  provider TEXT NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (payment, provider, event)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TRIGGER payment_operation_known BEFORE INSERT ON payment_operation
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'payment_not_found') WHERE NOT EXISTS (SELECT 1 FROM payment WHERE id = NEW.payment);
END;
--> statement-breakpoint
-- What is asked of the provider must fit what it has done, and all else that it has been asked.
CREATE TRIGGER payment_operation_asked BEFORE INSERT ON payment_operation
WHEN NEW.stage = 0 AND (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'payment_not_bound') FROM payment
  WHERE id = NEW.payment AND NEW.kind = 'capture' AND bound_at IS NULL;
  SELECT RAISE(ABORT, 'capture_exceeds_authorisation') FROM payment WHERE id = NEW.payment AND NEW.kind = 'capture'
    AND (NEW.amount_minor = 0
      OR captured_minor + capturing_minor + voided_minor + voiding_minor + NEW.amount_minor > authorised_minor);
  SELECT RAISE(ABORT, 'nothing_to_void') FROM payment WHERE id = NEW.payment AND NEW.kind = 'void'
    AND (NEW.amount_minor = 0
      OR NEW.amount_minor <> authorised_minor - captured_minor - capturing_minor - voided_minor - voiding_minor);
  SELECT RAISE(ABORT, 'payment_not_refundable') FROM payment
  WHERE id = NEW.payment AND NEW.kind = 'refund' AND order_id IS NULL;
  SELECT RAISE(ABORT, 'refund_exceeds_capture') FROM payment WHERE id = NEW.payment AND NEW.kind = 'refund'
    AND (NEW.amount_minor = 0
      OR refunded_minor + refunding_minor + charged_back_minor + NEW.amount_minor > captured_minor);
END;
--> statement-breakpoint
CREATE TRIGGER payment_operation_counted AFTER INSERT ON payment_operation
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  UPDATE payment SET
    (authorised_minor, captured_minor, voided_minor, refunded_minor, charged_back_minor,
      capturing_minor, voiding_minor, refunding_minor, open_since) = (
      SELECT
        sum(o.amount_minor * (o.kind = 'authorise' AND o.phase = 'succeeded')),
        sum(o.amount_minor * (o.kind = 'capture' AND o.phase = 'succeeded')),
        sum(o.amount_minor * (o.kind = 'void' AND o.phase = 'succeeded')),
        sum(o.amount_minor * (o.kind = 'refund' AND o.phase = 'succeeded')),
        sum(o.amount_minor * (o.kind = 'chargeback' AND o.phase = 'succeeded')),
        sum(o.amount_minor * (o.kind = 'capture' AND o.stage = 0 AND d.name IS NULL)),
        sum(o.amount_minor * (o.kind = 'void' AND o.stage = 0 AND d.name IS NULL)),
        sum(o.amount_minor * (o.kind = 'refund' AND o.stage = 0 AND d.name IS NULL)),
        min(CASE WHEN o.stage = 0 AND d.name IS NULL THEN o.at END)
      FROM payment_operation AS o
      LEFT JOIN payment_operation AS d ON d.payment = o.payment AND d.name = o.name AND d.stage = 2
      WHERE o.payment = NEW.payment),
    version = version + (NEW.stage > 0)
  WHERE id = NEW.payment;
END;
--> statement-breakpoint
-- The sums change as the operations say, and what was agreed does not change at all.
CREATE TRIGGER payment_backed BEFORE UPDATE ON payment
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only') WHERE (NEW.id, NEW.buyer, NEW.amount_minor, NEW.currency, NEW.provider, NEW.created_at)
    <> (OLD.id, OLD.buyer, OLD.amount_minor, OLD.currency, OLD.provider, OLD.created_at)
    OR NEW.order_id IS NOT OLD.order_id OR NEW.gid IS NOT OLD.gid OR NEW.branch IS NOT OLD.branch
    OR NEW.provider_ref IS NOT coalesce(OLD.provider_ref, NEW.provider_ref) OR NEW.version < OLD.version
    OR NEW.bound_at IS NOT coalesce(OLD.bound_at, NEW.bound_at);
  SELECT RAISE(ABORT, 'sum_without_operation') WHERE EXISTS (
    SELECT 1 FROM (SELECT
      coalesce(sum(amount_minor * (kind = 'authorise')), 0) AS authorised,
      coalesce(sum(amount_minor * (kind = 'capture')), 0) AS captured,
      coalesce(sum(amount_minor * (kind = 'void')), 0) AS voided,
      coalesce(sum(amount_minor * (kind = 'refund')), 0) AS refunded,
      coalesce(sum(amount_minor * (kind = 'chargeback')), 0) AS charged_back
      FROM payment_operation WHERE payment = NEW.id AND phase = 'succeeded')
    WHERE (authorised, captured, voided, refunded, charged_back) <> (NEW.authorised_minor, NEW.captured_minor,
      NEW.voided_minor, NEW.refunded_minor, NEW.charged_back_minor));
END;
--> statement-breakpoint
CREATE TRIGGER payment_opened BEFORE INSERT ON payment
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'sum_without_operation') WHERE NEW.authorised_minor <> 0 OR NEW.captured_minor <> 0
    OR NEW.voided_minor <> 0 OR NEW.refunded_minor <> 0 OR NEW.charged_back_minor <> 0 OR NEW.version <> 0;
END;
--> statement-breakpoint
CREATE TRIGGER payment_operation_not_updated BEFORE UPDATE ON payment_operation
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER payment_operation_not_deleted BEFORE DELETE ON payment_operation
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
--> statement-breakpoint
CREATE TRIGGER payment_not_deleted BEFORE DELETE ON payment
WHEN (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'append_only');
END;
