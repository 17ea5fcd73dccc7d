-- The history of one device: rows of the audit trail that name it. Rows about single messages are not in the index: there are too many,
-- and the messages of a device are listed by their own index.
CREATE INDEX audit_device ON audit (
    coalesce(
        json_extract(details, '$.device'),
        json_extract(details, '$.certificate.common-name'),
        json_extract(details, '$.common-name')
    ),
    sequence
) WHERE event NOT IN ('message-accepted', 'message-rejected');
