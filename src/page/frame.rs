//! What surrounds every page: title, menu, who reads it and when it was made.

use super::asset;
use super::element::Html;
use super::times::Times;
use super::visitor::Visitor;
use crate::http::AdminState;

/// What surrounds a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The title, which begins with what the page says.
    pub(super) title: String,
    /// The path of the entry of the menu to which the page belongs.
    pub(super) here: &'static str,
    /// The node that answers.
    pub(super) node: String,
    /// Who reads the page.
    pub(super) visitor: Visitor,
    /// The present.
    pub(super) times: Times,
    /// Whether the page is read again while it is open.
    pub(super) is_live: bool,
    /// Whether the reader has no role: the other pages would answer the same.
    pub(super) is_stranger: bool,
}

/// An entry of the menu.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Its path.
    pub(super) href: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Whether the page belongs to it.
    pub(super) is_here: bool,
}

impl Frame {
    /// The frame of a page under the entry `here` of the menu.
    #[must_use]
    pub(super) fn new(
        state: &AdminState,
        visitor: Visitor,
        here: &'static str,
        title: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            here,
            node: state.store().node().to_string(),
            visitor,
            times: Times::local(state.store().now()),
            is_live: false,
            is_stranger: false,
        }
    }

    /// The same, read again while it is open.
    #[must_use]
    pub(super) fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    /// The menu.
    #[must_use]
    pub(super) fn menu(&self) -> Vec<Entry> {
        let entry =
            |(href, name): &(&'static str, &'static str)| Entry { href, name, is_here: *href == self.here };
        let is_shown = |(href, _): &&(&str, &str)| !self.is_stranger || *href == "/help";
        MENU.iter().filter(is_shown).map(entry).collect()
    }

    /// The path of the style sheet.
    #[must_use]
    pub(super) fn style(&self) -> &'static str {
        asset::style().path
    }

    /// The path of the script.
    #[must_use]
    pub(super) fn script(&self) -> &'static str {
        asset::script().path
    }

    /// The version of the program.
    #[must_use]
    pub(super) const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The time of the page.
    #[must_use]
    pub(super) fn clock(&self) -> Html {
        self.times.clock()
    }
}

const MENU: [(&str, &str); 9] = [
    ("/", "Overview"),
    ("/devices", "Devices"),
    ("/refusals", "Refused"),
    ("/messages", "Messages"),
    ("/orders", "To devices"),
    ("/trust", "Certificates"),
    ("/audit", "Audit"),
    ("/system", "System"),
    ("/help", "Help"),
];
