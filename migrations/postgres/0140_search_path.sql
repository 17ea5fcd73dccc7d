-- The functions of the triggers look for tables, functions and operators where the platform's are, and nowhere else: not in a schema
-- with the name of the role, as the default of the server has it, and in pg_temp last.
ALTER FUNCTION audit_only_grows() SET search_path FROM CURRENT;
ALTER FUNCTION audit_only_pruned() SET search_path FROM CURRENT;
ALTER FUNCTION audit_begin_moves_on() SET search_path FROM CURRENT;
ALTER FUNCTION device_changed() SET search_path FROM CURRENT;
ALTER FUNCTION message_identity_inserted() SET search_path FROM CURRENT;
ALTER FUNCTION message_identity_deleted() SET search_path FROM CURRENT;
