//! Many messages, made by the database itself: of a gateway that sends two fifths and later three quarters of
//! them, of a device that has fallen silent after every seventh, of one that sends forty times, and of five
//! thousand pumps.
//!
//! Of the gateway's thousand identities each comes again and again, and `SUB-RARE^ISO` forty times. Two of a
//! thousand messages were rejected.

/// The statement that adds messages `from` to `to` of `rows`, which is a multiple of 400.
pub(crate) fn sql(postgres: bool, from: u64, to: u64, rows: u64) -> String {
    let sql = if postgres { include_str!("postgres.sql") } else { include_str!("sqlite.sql") };
    [("{from}", from), ("{to}", to), ("{rows}", rows)]
        .iter()
        .fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, &value.to_string()))
}
