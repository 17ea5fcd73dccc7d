//! The server of the store.

use crate::model::{Clock, FoundRisks, StoreRisks, StoreUrl};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::postgres::location::Location;
use crate::store::postgres::report::{SELECT_NODES, examine, node_clock, report};
use crate::store::server::report::ServerReport;
use crate::store::statement::Statement;

impl Store {
    /// The states in which the store can lose, hide or change messages, as this process has observed them
    /// last.
    #[must_use]
    pub fn risks(&self) -> StoreRisks {
        self.observed_risks().observed()
    }

    /// The same, and where in the database they were found.
    #[must_use]
    pub fn found_risks(&self) -> FoundRisks {
        self.observed_risks().found()
    }

    /// Those that the operator does not accept: nothing is written.
    #[must_use]
    pub fn unaccepted_risks(&self) -> FoundRisks {
        self.found_risks().without(self.accepted_risks())
    }

    /// Those that the operator accepts.
    #[must_use]
    pub fn accepted_risks(&self) -> StoreRisks {
        self.observed_risks().accepted()
    }

    /// The server, its risks and its clock, and the clocks of all nodes; `None` for a file.
    ///
    /// # Errors
    /// When the nodes cannot be read.
    pub async fn server_report(&self) -> Result<Option<ServerReport>, StoreError> {
        let Some(location) = self.server() else { return Ok(None) };
        let rows = self.reader().fetch(Statement::new(SELECT_NODES)).await?;
        let nodes = rows.iter().map(node_clock).collect::<Result<_, _>>()?;
        Ok(Some(report(location, nodes)))
    }

    /// The same of the store at `url`, which is not opened. Changes nothing.
    ///
    /// # Errors
    /// When the server cannot be used, or has a risk that is not accepted.
    pub async fn examine_server(url: &StoreUrl, clock: &Clock) -> Result<Option<ServerReport>, StoreError> {
        if !url.is_postgres() {
            return Ok(None);
        }
        examine(&Location::parse(url, clock)?).await.map(Some)
    }
}
