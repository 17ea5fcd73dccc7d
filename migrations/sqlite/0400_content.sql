-- Messages are kept compressed with a dictionary that the program has, together with their acknowledgement (see store::content).
-- Rows that are there stay as they are. Versions before this one cannot read the new rows, so this number keeps them out.
SELECT 1;
