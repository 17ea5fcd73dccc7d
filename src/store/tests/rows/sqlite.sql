-- Messages {from} to {to} of {rows}, a millisecond apart: see rows/mod.rs.
WITH RECURSIVE counted (n) AS (
    SELECT {from} UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < {to}
), sent (n, device) AS (
    SELECT n, CASE
        WHEN n % 10 < 4 THEN 'GATEWAY'
        WHEN n % 10 < 7 THEN iif(n < {rows} / 2, 'SILENT', 'GATEWAY')
        WHEN n % ({rows} / 40) = 9 THEN 'RARE'
        ELSE 'PUMP-' || (n / 10 % 5000)
    END FROM counted
)
INSERT INTO message (
    id, received_at, device, session, fingerprint, peer, pcd_transaction, message_type, control_id, sending_application,
    digest, rejection, warnings, identities, acknowledgement, raw
)
SELECT unhex(format('%012x70008000%012x', 1750000000000 + n, n)), (1750000000000 + n) * 1000, device,
    '019779d2-6a00-7000-8000-000000000000', 'c0ffee', '192.0.2.7:50123', 'PCD-01', 'ORU^R01^ORU_R01', CAST(n AS TEXT), 'PUMP',
    randomblob(32), iif(n % 1000 IN (3, 5), 'identity-mismatch', NULL), '[]',
    CASE device
        WHEN 'GATEWAY' THEN format(iif(n % ({rows} / 40) = 1, '["SUB-%d","SUB-RARE^ISO"]', '["SUB-%d"]'), n / 10 % 1000)
        ELSE format('["%s"]', device)
    END,
    zeroblob(60), zeroblob(300)
FROM sent;
