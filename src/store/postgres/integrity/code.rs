//! Code of others that would run in a statement of the platform: what the tables compute by themselves, what
//! an index or a conversion calls, and what a name in a statement could stand for.

/// Functions, operators and types of others in what the tables compute by themselves (defaults, checks,
/// indexes), and functions of the server there that can do more than compute, such as `set_config`.
pub(super) const COMPUTED: &str = "
SELECT 128, pg_describe_object(refclassid, refobjid, 0) || ' of ' || pg_describe_object(classid, objid, 0)
FROM pg_depend
WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
    AND (classid, objid) IN (
        SELECT 'pg_class'::regclass::oid, own.oid FROM own
        UNION ALL
        SELECT 'pg_constraint'::regclass, pg_constraint.oid FROM own JOIN pg_constraint ON conrelid = own.oid
        UNION ALL SELECT 'pg_attrdef'::regclass, pg_attrdef.oid FROM own JOIN pg_attrdef ON adrelid = own.oid
        UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM own JOIN pg_index ON indrelid = own.oid
    )
UNION ALL
-- Functions of the server are not in pg_depend. An expression names them by their oid.
SELECT 128, 'function ' || proname || ' in a default, check or index of ' || on_table
FROM (
    SELECT adbin::text, name FROM own JOIN pg_attrdef ON adrelid = own.oid
    UNION ALL SELECT conbin::text, name FROM own JOIN pg_constraint ON conrelid = own.oid
    UNION ALL SELECT indexprs::text, name FROM own JOIN pg_index ON indrelid = own.oid
    UNION ALL SELECT indpred::text, name FROM own JOIN pg_index ON indrelid = own.oid
) AS computed (tree, on_table), regexp_matches(tree, ':(?:op)?funcid ([0-9]+)', 'g') AS called
JOIN pg_proc ON pg_proc.oid = called[1]::oid
WHERE provolatile <> 'i' AND pg_proc.oid <> 'pg_catalog.now()'::regprocedure";

/// Code that runs when the server compares or converts: operator classes of indexes and their functions,
/// access methods, and casts between types of the server, which apply where a parameter is stored in a column
/// of another type. What is built in has a number below 16384.
pub(super) const INDEX_CODE: &str = "
SELECT 128, 'operator class ' || opcname || ' of index ' || part.relname || ' of ' || name
FROM own JOIN pg_index ON indrelid = own.oid JOIN pg_class AS part ON part.oid = indexrelid
CROSS JOIN unnest(indclass) AS used (class) JOIN pg_opclass ON pg_opclass.oid = used.class
WHERE used.class >= 16384 OR EXISTS (
    SELECT FROM pg_amproc WHERE amprocfamily = opcfamily AND amproc::oid >= 16384
        AND (amproclefttype, amprocrighttype) = (opcintype, opcintype)
)
UNION ALL
SELECT 128, 'access method ' || amname || ' of ' || name
FROM own LEFT JOIN pg_index ON indrelid = own.oid LEFT JOIN pg_class AS part ON part.oid = indexrelid
JOIN pg_am ON pg_am.oid IN (own.relam, part.relam)
WHERE pg_am.oid >= 16384 OR amhandler::oid >= 16384
UNION ALL
SELECT 128, 'cast from ' || format_type(castsource, NULL) || ' to ' || format_type(casttarget, NULL) FROM pg_cast
WHERE (pg_cast.oid >= 16384 OR castfunc >= 16384) AND castsource < 16384 AND casttarget < 16384";

/// Functions and operators that share their name with one of the server's, and stand where the statements of
/// the platform look names up. The server's own come first only where the types of the arguments are exactly
/// the same: a function for `bytea[]` is preferred to the server's for any array.
///
/// What an extension has installed is no finding: `citext`, `hstore` and others have such operators for their
/// own types. Its script runs as a superuser, to whom the objects belong; the owner of a database can add a
/// function to an extension, but not give it to a superuser. Where a superuser installs one by hand, it is a
/// superuser's as well.
pub(super) fn shared_names(namespace: &str) -> String {
    let kinds = [
        ("pg_proc", "proname", "pronamespace", "proowner"),
        ("pg_operator", "oprname", "oprnamespace", "oprowner"),
    ];
    let findings = kinds.map(|(catalog, name, schema, owner)| {
        format!(
            "SELECT 128, pg_describe_object('{catalog}'::regclass, other.oid, 0) || ' has the name of one of the server''s'
            FROM {catalog} AS other
            WHERE (other.{schema} = {namespace}
                OR other.{schema} = 'pg_catalog'::regnamespace AND other.oid >= 16384)
            AND EXISTS (
                SELECT FROM {catalog} AS own
                WHERE own.{name} = other.{name} AND own.{schema} = 'pg_catalog'::regnamespace AND own.oid < 16384
            ) AND NOT EXISTS (
                SELECT FROM pg_depend JOIN pg_roles ON pg_roles.oid = other.{owner} AND rolsuper
                WHERE classid = '{catalog}'::regclass AND objid = other.oid AND deptype = 'e'
            )"
        )
    });
    findings.join(" UNION ALL ")
}
