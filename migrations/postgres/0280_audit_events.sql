-- Pages ask for the last rows of one event: the last signature, the last refusals. Rows of accepted messages are as many as the
-- messages, and need no index: they cost nothing here.
CREATE INDEX audit_event ON audit (event, sequence) WHERE event <> 'message-accepted';
