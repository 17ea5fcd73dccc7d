//! Generates many messages inside the database: from a gateway with two fifths and later three quarters of
//! them, from a device that fell silent after every seventh, from one with forty messages, and from five
//! thousand pumps.
//!
//! The gateway repeats a thousand identities; `SUB-RARE^ISO` occurs forty times. Two of a thousand messages
//! are rejected.

/// The statement that inserts messages `from` to `to` of `rows`, which is a multiple of 400.
pub(crate) fn sql(postgres: bool, from: u64, to: u64, rows: u64) -> String {
    let sql = if postgres { include_str!("postgres.sql") } else { include_str!("sqlite.sql") };
    [("{from}", from), ("{to}", to), ("{rows}", rows)]
        .iter()
        .fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, &value.to_string()))
}
