//! What retention removes.

/// The kinds of rows that retention removes, as configured. Each needs privileges in the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removals {
    /// Messages, their alert reports, and settled orders.
    pub messages: bool,
    /// Rows of the audit trail.
    pub audit: bool,
}
