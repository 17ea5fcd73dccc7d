//! `order show`.

use jiff::tz::TimeZone;

use super::entry::{find, views};
use super::text;
use crate::cli::content::{self, Content, Subject};
use crate::cli::{Failure, Output};
use crate::model::MessageId;
use crate::store::Store;

/// Shows an order, or its content in the form that `content` asks for. `zone` is that of times in messages
/// that state none.
pub(super) async fn run(
    id: MessageId,
    content: Content,
    zone: TimeZone,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let (entry, raw) = find(id, store).await?;
    if let Some(form) = content.form() {
        let subject = Subject { id, device: &entry.device, bytes: &raw, command: "order" };
        return content::show(subject, form, zone, store, output).await;
    }
    for view in views(std::slice::from_ref(&entry), store).await? {
        output.print(&view, |order| text::details(order, output))?;
    }
    Ok(())
}
