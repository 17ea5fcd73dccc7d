//! `audit export`.

use jiff::Timestamp;

use crate::audit::{Event, ExportFormat};
use crate::cli::audit::distorted::warn_of_distorted;
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Outcome, Output};
use crate::store::{AuditFilter, Page, Store};
use crate::view::AuditRowView;

/// The format of a line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object, with its hash
    Jsonl,
    /// One DICOM audit message (PS3.15 A.5, XML); only for events that IHE ATNA defines
    Atna,
}

impl From<Format> for ExportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl,
            Format::Atna => Self::Atna,
        }
    }
}

pub(super) async fn run(
    format: Format,
    since: Option<Timestamp>,
    site: Option<&str>,
    store: &Store,
    output: Output,
) -> Outcome {
    // Audited before the first line is written: if this process is killed, the row exists.
    let exported = Event::AuditExported { format: format.into(), since, actor: operator() };
    store.audit(exported).await.map_err(failed)?;
    let (mut last, mut exit) = (0, Exit::Done);
    loop {
        let filter =
            AuditFilter { event: None, device: None, since, page: Page::After(last), limit: PAGE_ROWS };
        let rows = store.audit_rows(&filter).await.map_err(failed)?;
        let Some(newest) = rows.last() else { return Ok(exit) };
        last = newest.sequence;
        if warn_of_distorted(&rows, output)? != Exit::Done {
            exit = Exit::Failed;
        }
        for row in &rows {
            match format {
                Format::Jsonl => output.json_line(&AuditRowView::from(row))?,
                Format::Atna => {
                    if let Some(message) = row.recorded_event().message(site) {
                        output.line(&message.xml)?;
                    }
                }
            }
        }
    }
}

/// Rows that are read in one query.
const PAGE_ROWS: u32 = 1000;
