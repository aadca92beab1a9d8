-- Why the payment was refused, or what it waits for.
ALTER TABLE order_head ADD COLUMN payment TEXT;
--> statement-breakpoint
ALTER TABLE order_head ADD COLUMN decided_at INTEGER;
