//! Queries of when something was done last.

use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::milestone::{Milestone, Reached};
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn milestones(&self) -> Result<Vec<Reached>, StoreError> {
        self.fetch(Statement::new(SELECT)).await?.iter().map(reached).collect()
    }
}

fn reached(row: &Row) -> Result<Reached, StoreError> {
    let what = Milestone::from_code(&row.get::<String>("what")?);
    Ok(Reached {
        what: what.ok_or(StoreError::unreadable("milestone.what"))?,
        at: row.time("at", "milestone.at")?,
        is_good: row.get::<i64>("good")? == 1,
    })
}

const SELECT: &str = "SELECT what, at, good FROM milestone ORDER BY what";
