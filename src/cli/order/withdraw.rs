//! `order withdraw`.

use anyhow::anyhow;

use super::entry::find;
use super::send::withdrawn as known;
use super::text;
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Failure, Output};
use crate::model::MessageId;
use crate::store::Store;
use crate::view::OrderView;

pub(super) async fn run(id: MessageId, store: &Store, output: Output) -> Result<(), Failure> {
    let (entry, _) = find(id, store).await?;
    let withdrawn = store.withdraw(id, &entry.device, &operator()).await.map_err(failed)?;
    let (now, _) = find(id, store).await?;
    output.print(&OrderView::from(&now), |order| text::line(order, output))?;
    if withdrawn {
        if now.attempts > 0 {
            output.warn(&known(&now))?;
        }
        return Ok(());
    }
    let reason = match now.settled {
        Some((settlement, _)) => format!("it is already {}", settlement.code()),
        None => "the store did not change it; try again".to_owned(),
    };
    Err(Failure::new(Exit::Failed, anyhow!("cannot withdraw order {id}: {reason}")))
}
