//! A coded element as a device wrote it.

use super::table::{Entry, Index};
use crate::hl7::Field;

/// One triplet of a coded element (CWE): components 1 to 3, or the alternative 4 to 6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coded<'a> {
    /// The code: a number in MDC, the unit itself in UCUM.
    pub code: &'a str,
    /// The reference id in MDC, a text elsewhere.
    pub name: &'a str,
    /// `MDC`, `UCUM` or another coding system.
    pub system: &'a str,
}

impl<'a> Coded<'a> {
    /// The triplet of a field that begins with component `first` (1 or 4), without decoding: codes are ASCII.
    #[must_use]
    pub fn of(field: Field<'a>, first: usize) -> Self {
        let part = |n| std::str::from_utf8(field.component(first + n).trimmed()).unwrap_or_default();
        Self { code: part(0), name: part(1), system: part(2) }
    }

    /// What to show when the table does not help: the name, or the code without one.
    #[must_use]
    pub const fn shown(self) -> &'a str {
        if self.name.is_empty() { self.code } else { self.name }
    }

    /// Whether the sender says that it is MDC.
    pub(super) fn is_mdc(self) -> bool {
        self.system.eq_ignore_ascii_case("MDC")
    }

    /// Whether it is MDC by its system, or by its reference id where there is no system.
    pub(super) fn may_be_mdc(self) -> bool {
        self.is_mdc() || (self.system.is_empty() && self.name.starts_with("MDC_"))
    }

    pub(super) fn may_be_ucum(self) -> bool {
        self.system.is_empty() || self.system.eq_ignore_ascii_case("UCUM")
    }

    /// The entry that number and reference id name; `None` when they name different ones, or when the
    /// reference id is one that the table does not know for this number.
    pub(super) fn resolve<T: Entry>(self, index: &'static Index<T>) -> Option<&'static T> {
        match index.by_number(self.code) {
            Some(entry) if !self.name.starts_with("MDC_") || entry.is_called(self.name) => Some(entry),
            Some(_) => None,
            None => index.by_reference(self.name),
        }
    }

    /// Whether the number is that of an entry that has another reference id. Any other text is a name.
    /// Devices and attributes have names of their vendors, so there only the reference id of another entry
    /// contradicts.
    pub(super) fn contradiction<T: Entry>(self, index: &'static Index<T>) -> bool {
        let is_reference = ["MDC_", "MDCX_"].iter().any(|prefix| self.name.starts_with(prefix));
        index.by_number(self.code).is_some_and(|entry| {
            let is_measured_or_event = entry.number() >= MEASURED_AND_EVENTS;
            !entry.is_called(self.name)
                && ((is_reference && is_measured_or_event) || index.by_reference(self.name).is_some())
        })
    }
}

/// The first number after the partition of devices and attributes.
const MEASURED_AND_EVENTS: u32 = 2 << 16;
