-- 0: no order may be queued for the device; it only sends.
ALTER TABLE device ADD COLUMN receives_orders INTEGER NOT NULL DEFAULT 1;
