-- The cell at which an order's wish went on: where it was fulfilled, or which was asked next. Written with the refusal
-- of the cell that was asked, so that every attempt takes the same way, whatever has moved since.
ALTER TABLE reservation ADD COLUMN next TEXT CHECK (length(next) = 20);
--> statement-breakpoint
-- When the order was confirmed: a reservation without it is one that a saga may still give back.
ALTER TABLE reservation ADD COLUMN confirmed_at INTEGER;
