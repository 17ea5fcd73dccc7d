//! The triggers of the tables and the functions that they run, as the migrations make them.
//!
//! A trigger runs the function that its row in the catalog points to. So it is that row which is compared,
//! and no other one that has the name and the source. No other function may have one of the names either: a
//! call of it could be one of that other.

use crate::model::SchemaName;

/// The common table expressions `genuine`, which are the functions of the migrations that are as they were
/// made, and `found`, the triggers of the tables `own`, and whether each is one that the migrations made.
pub(super) fn triggers_found(schema: &SchemaName, namespace: &str) -> String {
    let wanted = TRIGGERS.map(|(table, name, function, kind, old, new)| {
        format!("('{table}', '{name}', '{function}', {kind}, '{old}', '{new}')")
    });
    format!(
        "genuine AS (
            SELECT pg_proc.oid, wanted.name
            FROM (VALUES {}) AS wanted (name, arguments, result, language, is_definer, has_path, digest)
            JOIN pg_proc ON proname = wanted.name::name AND pronamespace = {namespace}
                AND proargtypes = wanted.arguments::oidvector AND prorettype = wanted.result::regtype
            JOIN pg_language ON pg_language.oid = prolang AND lanname = wanted.language::name
            WHERE prokind = 'f' AND prosecdef = is_definer AND proretset = (wanted.language = 'sql')
                AND NOT proisstrict AND provariadic = 0 AND pronargdefaults = 0
                AND encode(sha256(convert_to(prosrc, 'UTF8')), 'hex') = digest
                -- As it is written by SET and by FROM CURRENT. One name in quotes is another path.
                AND CASE WHEN has_path THEN proconfig IN (
                        ARRAY['search_path={schema}, pg_temp'], ARRAY['search_path={schema},pg_temp'],
                        ARRAY['search_path=\"{schema}\", pg_temp']
                    ) ELSE proconfig IS NULL END
        ), found AS (
            SELECT own.name AS on_table, tgname, tgenabled, genuine.oid IS NOT NULL AS is_expected
            FROM own JOIN pg_trigger ON tgrelid = own.oid
            LEFT JOIN (VALUES {}) AS wanted (on_table, name, function, kind, old_rows, new_rows)
                ON wanted.on_table = own.name AND tgname = wanted.name::name AND tgtype = wanted.kind
                AND coalesce(tgoldtable::text, '') = old_rows AND coalesce(tgnewtable::text, '') = new_rows
                AND NOT tgisinternal AND tgconstraint = 0 AND tgnargs = 0 AND tgattr::text = '' AND tgqual IS NULL
            LEFT JOIN genuine ON genuine.oid = tgfoid AND genuine.name = wanted.function
        )",
        wanted_functions(),
        wanted.join(", ")
    )
}

/// The findings of [`triggers_found`].
pub(super) fn trigger_findings(namespace: &str) -> String {
    let listed = TRIGGERS.map(|(table, name, ..)| format!("('{table}', '{name}')")).join(", ");
    let names = FUNCTIONS.map(|(name, ..)| format!("('{name}')")).join(", ");
    format!(
        "SELECT 128, 'trigger ' || tgname || ' on ' || on_table FROM found WHERE NOT is_expected
        UNION ALL
        SELECT 16, 'trigger ' || wanted.name || ' on ' || wanted.on_table
        FROM (VALUES {listed}) AS wanted (on_table, name)
        LEFT JOIN found ON found.on_table = wanted.on_table AND tgname = wanted.name::name
        WHERE tgenabled IS NULL OR tgenabled NOT IN ('O', 'A')
        UNION ALL
        SELECT 128, 'function ' || wanted.name || ' is not that of the migrations'
        FROM (VALUES {names}) AS wanted (name) WHERE wanted.name NOT IN (SELECT name FROM genuine)
        UNION ALL
        SELECT 128, pg_describe_object('pg_proc'::regclass, other.oid, 0) || ' has the name of one of the migrations'
        FROM (VALUES {names}) AS wanted (name)
        JOIN pg_proc AS other ON proname = wanted.name::name AND pronamespace = {namespace}
        WHERE other.oid NOT IN (SELECT oid FROM genuine)"
    )
}

fn wanted_functions() -> String {
    let functions = FUNCTIONS.map(|(name, language, is_definer, has_path, digest)| {
        // The one function that is no trigger's takes and returns texts: the type with the number 25.
        let (arguments, result) = if language == "sql" { ("25", "text") } else { ("", "trigger") };
        format!("('{name}', '{arguments}', '{result}', '{language}', {is_definer}, {has_path}, '{digest}')")
    });
    functions.join(", ")
}

/// The bits of `pg_trigger.tgtype`.
mod kind {
    pub(super) const ROW: i16 = 1;
    pub(super) const BEFORE: i16 = 1 << 1;
    pub(super) const INSERT: i16 = 1 << 2;
    pub(super) const DELETE: i16 = 1 << 3;
    pub(super) const UPDATE: i16 = 1 << 4;
    pub(super) const TRUNCATE: i16 = 1 << 5;
}

/// Table, name, function, kind, and the names of the tables of old and new rows.
const TRIGGERS: [(&str, &str, &str, i16, &str, &str); 6] = [
    ("message", "message_identity_inserted", "message_identity_inserted", kind::INSERT, "", "added"),
    ("message", "message_identity_deleted", "message_identity_deleted", kind::DELETE, "gone", ""),
    ("audit", "audit_only_grows", "audit_only_grows", kind::BEFORE | kind::UPDATE | kind::TRUNCATE, "", ""),
    ("audit", "audit_only_pruned", "audit_only_pruned", kind::DELETE, "gone", ""),
    (
        "audit_begin",
        "audit_begin_moves_on",
        "audit_begin_moves_on",
        kind::ROW | kind::BEFORE | kind::UPDATE | kind::DELETE,
        "",
        "",
    ),
    ("device", "device_changed", "device_changed", kind::INSERT | kind::UPDATE | kind::DELETE, "", ""),
];

/// Name, language, whether it runs as its owner, whether it sets the search path, and the SHA-256 of its
/// source. A migration that changes a function changes it here: every test of the store fails otherwise.
const FUNCTIONS: [(&str, &str, bool, bool, &str); 7] = [
    (
        "audit_begin_moves_on",
        "plpgsql",
        false,
        true,
        "aeae6de90a658377db06ddcce1f729a2f00c5fed020060adcbeaed13ddb9a03d",
    ),
    (
        "audit_only_grows",
        "plpgsql",
        false,
        true,
        "f46c117f2964c55a14dd97be1f510e94ff491d2c7fb47f9d198f2cf482aae6bd",
    ),
    (
        "audit_only_pruned",
        "plpgsql",
        false,
        true,
        "a1bbec24e77b139a19bf8f5b8481b383881116c978c6a39f9b58c66760d13685",
    ),
    (
        "device_changed",
        "plpgsql",
        false,
        true,
        "cdfc58bca93775588efc1ef0314a102a6bd0dc02a032d14d56dface9953c0a21",
    ),
    // Without a search path, so that the server can inline it; its callers set one.
    (
        "identity_keys",
        "sql",
        false,
        false,
        "7e613237531546028a7c73d918eb533a9604104ee25e79ec769b35fb32c647d6",
    ),
    (
        "message_identity_deleted",
        "plpgsql",
        true,
        true,
        "4be85856dd20a9168a81c599f8f3a62f84b7f9a1c5e18e50c7e957391fc25d12",
    ),
    (
        "message_identity_inserted",
        "plpgsql",
        true,
        true,
        "24bfce975f57ff69402145c9b999aba87dbe6d2ad39ad22474953486391052b4",
    ),
];
