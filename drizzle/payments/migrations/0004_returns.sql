-- Of a payment whose order is being cancelled, or was, nothing more is taken: whoever cancels it has taken the place in
-- the order's own row of the barrier, and has not given it back.
CREATE TRIGGER payment_operation_returned BEFORE INSERT ON payment_operation
WHEN NEW.stage = 0 AND NEW.kind = 'capture' AND (SELECT mover FROM _fence WHERE id = 1) IS NULL BEGIN
  SELECT RAISE(ABORT, 'payment_being_returned') FROM payment AS p
  JOIN barrier AS held ON held.slot = p.order_id AND held.op = 'try' AND held.reason = 'try'
  WHERE p.id = NEW.payment AND NOT EXISTS (SELECT 1 FROM barrier AS given
    WHERE given.slot = held.slot AND given.gid = held.gid AND given.branch = held.branch AND given.op = 'cancel');
END;
