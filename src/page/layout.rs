//! Tables and lists of facts, the same on every page.

use std::borrow::Cow;

use askama::Template;
use askama::filters::HtmlSafe;

use super::element::Html;

/// A table. The first cell of a row is its heading.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    /// What the table holds; it stands in the document for those who do not see the page.
    caption: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Html>>,
    /// What stands in place of a table without rows.
    empty: String,
    /// Whether it is the list to which a number of rows leads.
    is_list: bool,
}

impl HtmlSafe for Table {}

impl Table {
    /// A table without rows yet.
    #[must_use]
    pub(super) fn new(
        caption: impl Into<String>,
        columns: &[&'static str],
        empty: impl Into<String>,
    ) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            empty: empty.into(),
            is_list: false,
        }
    }

    /// The same with these rows.
    #[must_use]
    pub(super) fn with(self, rows: impl IntoIterator<Item = Vec<Html>>) -> Self {
        Self { rows: rows.into_iter().collect(), ..self }
    }

    /// The same, as the list to which a number of rows leads.
    #[must_use]
    pub(super) fn list(self) -> Self {
        Self { is_list: true, ..self }
    }

    /// Whether it has no rows.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Facts about one thing: name and value.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "facts.html")]
pub(super) struct Facts {
    rows: Vec<(Cow<'static, str>, Html)>,
}

impl HtmlSafe for Facts {}

impl Facts {
    /// The facts that have a value.
    #[must_use]
    pub(super) fn new<N: Into<Cow<'static, str>>>(rows: impl IntoIterator<Item = (N, Html)>) -> Self {
        let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
        Self { rows: rows.map(|(name, value)| (name.into(), value)).collect() }
    }
}

/// A choice in a form.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// What the form sends.
    pub(super) value: String,
    /// What the reader sees.
    pub(super) name: String,
    /// Whether it is chosen.
    pub(super) is_chosen: bool,
}

/// The choices of a list, of which the one with the value `chosen` is chosen.
#[must_use]
pub(super) fn choices<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    let choice = |(value, name): (&str, &str)| Choice {
        value: value.to_owned(),
        name: name.to_owned(),
        is_chosen: value == chosen,
    };
    all.into_iter().map(choice).collect()
}
