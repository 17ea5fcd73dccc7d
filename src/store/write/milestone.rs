//! Records when something was done last.

use crate::store::error::StoreError;
use crate::store::records::milestone::Reached;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

pub(in crate::store) async fn reach(
    connection: &mut impl Connection,
    Reached { what, at, is_good }: &Reached,
) -> Result<(), StoreError> {
    let statement = Statement::new(UPSERT).bind(what.code()).bind(*at).bind(i64::from(*is_good));
    connection.execute(statement).await.map(drop)
}

const UPSERT: &str = "
INSERT INTO milestone (what, at, good) VALUES ($1, $2, $3)
ON CONFLICT (what) DO UPDATE SET at = excluded.at, good = excluded.good";
