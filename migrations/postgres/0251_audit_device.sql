-- The history of one device: rows of the audit trail that name it. Rows about single messages are not in the index: there are too many,
-- and the messages of a device are listed by their own index. The details are canonical JSON, in which a quote within a text is escaped.
-- They are not parsed here: a text that jsonb refuses must not keep a row out of the trail.
CREATE INDEX audit_device ON audit (
    coalesce(
        substring(details FROM '"device":"((?:[^"\\]|\\.)*)"'),
        substring(details FROM '"common-name":"((?:[^"\\]|\\.)*)"')
    ),
    sequence
) WHERE event NOT IN ('message-accepted', 'message-rejected');
