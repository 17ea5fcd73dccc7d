-- A chain ends with its last row in audit; audit_end names the row that was last when the chain was signed last. The number of the
-- migration keeps earlier versions out, which would take that row for the end.
SELECT 1;
