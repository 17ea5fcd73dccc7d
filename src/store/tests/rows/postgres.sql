-- Messages {from} to {to} of {rows}, a millisecond apart: see rows/mod.rs.
WITH sent (n, device) AS (
    SELECT n, CASE
        WHEN n % 10 < 4 THEN 'GATEWAY'
        WHEN n % 10 < 7 THEN CASE WHEN n < {rows} / 2 THEN 'SILENT' ELSE 'GATEWAY' END
        WHEN n % ({rows} / 40) = 9 THEN 'RARE'
        ELSE 'PUMP-' || (n / 10 % 5000)
    END FROM generate_series({from}::bigint, {to} - 1) AS n
)
INSERT INTO message (
    id, received_at, device, session, fingerprint, peer, pcd_transaction, message_type, control_id, sending_application,
    correlation, digest, rejection, warnings, identities, acknowledgement, raw
)
SELECT decode(lpad(to_hex(1750000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'), 'hex'),
    (1750000000000 + n) * 1000, device,
    '019779d2-6a00-7000-8000-000000000000', 'c0ffee', '192.0.2.7:50123', 'PCD-01', 'ORU^R01^ORU_R01', n::text, 'PUMP',
    sha256(int8send(n)), sha256(int8send(-n)), CASE WHEN n % 1000 IN (3, 5) THEN 'identity-mismatch' END, '[]',
    CASE device
        WHEN 'GATEWAY' THEN format(
            CASE WHEN n % ({rows} / 40) = 1 THEN '["SUB-%s","SUB-RARE^ISO"]' ELSE '["SUB-%s"]' END, n / 10 % 1000
        )
        ELSE format('["%s"]', device)
    END,
    decode(repeat('00', 60), 'hex'), decode(repeat('00', 300), 'hex')
FROM sent;
