-- By which the sweep finds the entries that no seal covers yet.
CREATE INDEX journal_at ON journal (at);
