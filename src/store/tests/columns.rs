//! The columns and checks that the examination of a server compares.

use super::*;
use crate::store::postgres::integrity::columns::{CHECKS, COLUMNS};

/// Each column and each check of the migrations is in the lists.
#[tokio::test]
async fn every_column_of_a_server_is_compared() {
    let place = TestStore::on_postgres();
    Store::open(&place.url(), place.clock.clone()).await.unwrap();
    let mut direct = place.connect_directly().await;
    let of_tables = "JOIN pg_class ON pg_class.oid = of_table WHERE relnamespace = 'public'::regnamespace
        AND relkind = 'r' AND relname <> '_sqlx_migrations'";
    for (counted, listed) in [
        (
            "SELECT attrelid AS of_table FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped",
            COLUMNS.len(),
        ),
        ("SELECT conrelid AS of_table FROM pg_constraint WHERE contype = 'c'", CHECKS.len()),
    ] {
        let count = format!("SELECT count(*)::text FROM ({counted}) AS counted {of_tables}");
        assert_eq!(direct.texts(&count).await, [listed.to_string()], "{counted}");
    }
}
