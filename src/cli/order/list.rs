//! `order list`.

use super::entry::views;
use super::text;
use crate::cli::context::failed;
use crate::cli::device::name_in_store;
use crate::cli::{Failure, Output};
use crate::model::{DeviceId, MessageId};
use crate::store::{OutboxFilter, Store};

/// Which orders.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only orders for the device whose certificate has this Common Name
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
    /// Only orders without an outcome: not sent, or not answered
    #[arg(long)]
    waiting: bool,
    /// Only orders older than this one; for the next page, give the last id of the page
    #[arg(long, value_name = "ORDER")]
    before: Option<MessageId>,
    /// At most N orders
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
}

pub(super) async fn run(arguments: Arguments, store: &Store, output: Output) -> Result<(), Failure> {
    let Arguments { device, waiting, before, limit } = arguments;
    let device = name_in_store(store, device).await?;
    let orders = store.outbox(&OutboxFilter { device, waiting, before, limit }).await.map_err(failed)?;
    output.header(&text::header(), orders.len())?;
    for view in views(&orders, store).await? {
        output.print(&view, |order| text::line(order, output))?;
    }
    Ok(())
}
