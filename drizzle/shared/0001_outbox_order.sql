-- The first event that is left of each aggregate, found without a pass over those that were sent: while it waits, a
-- sweep takes none of the later ones.
CREATE INDEX outbox_left ON outbox (okey, seq) WHERE state = 'ready';
