-- How a sender is acknowledged that does not mean what its MSH-15 and MSH-16 say.
ALTER TABLE device ADD COLUMN acknowledge TEXT NOT NULL DEFAULT 'as-asked'
    CHECK (acknowledge IN ('as-asked', 'original', 'accept', 'application'));
