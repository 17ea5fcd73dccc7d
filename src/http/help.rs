//! `/help` and `/help/CODE`: the pages of the codes, as plain text.

use axum::extract::Path;
use axum::http::StatusCode;

use crate::finding::{help, help_pages};

/// Every code with what it means, one in a line.
pub(super) async fn index() -> String {
    let line =
        |page: &crate::finding::HelpPage| format!("{}: {}\n", page.code, page.summary().replace('\n', " "));
    help_pages().iter().map(line).collect()
}

/// The page of one code.
pub(super) async fn page(Path(code): Path<String>) -> Result<&'static str, (StatusCode, &'static str)> {
    let unknown = (StatusCode::NOT_FOUND, "there is no such code; /help lists them\n");
    help(&code).map(|page| page.text).ok_or(unknown)
}
