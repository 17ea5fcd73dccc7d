//! What the listener for hospital systems answers: the tables of its how-tos, which are part of the program.

use std::iter;

/// A code in an answer to a hospital system, a partner, or who asks for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredCode {
    /// The statuses of HTTP that it comes with.
    pub status: &'static str,
    /// What to do, in Markdown.
    pub what_to_do: &'static str,
    /// The page with the table.
    pub page: &'static str,
}

/// What the how-tos say about `code`; nothing if none of them has it.
pub fn answered(code: &str) -> impl Iterator<Item = AnsweredCode> {
    rows().filter(move |row| row.codes().any(|known| known == code)).map(|row| AnsweredCode {
        status: row.status,
        what_to_do: row.what_to_do,
        page: row.page,
    })
}

/// A row of a table: status, cells with codes, what to do.
struct Row {
    page: &'static str,
    status: &'static str,
    codes: &'static str,
    what_to_do: &'static str,
}

impl Row {
    fn codes(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.codes.split('`').skip(1).step_by(2)
    }
}

fn rows() -> impl Iterator<Item = Row> {
    PAGES.iter().flat_map(|(page, text)| text.lines().zip(iter::repeat(*page))).filter_map(|(line, page)| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (status, rest) = cells.split_once(" | ")?;
        let (codes, what_to_do) = rest.rsplit_once(" | ")?;
        let is_status = status.starts_with(|first: char| first.is_ascii_digit());
        is_status.then_some(Row { page, status, codes, what_to_do })
    })
}

macro_rules! pages {
    ($($page:literal,)+) => {
        &[$(($page, include_str!(concat!("../../", $page))),)+]
    };
}

const PAGES: &[(&str, &str)] = pages![
    "docs/howto/hospital-systems.md",
    "docs/howto/access-tokens.md",
    "docs/howto/enrolment.md",
    "docs/howto/partners.md",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_each_how_to_are_found_with_what_to_do() {
        for (code, page) in [
            ("other-network", "docs/howto/hospital-systems.md"),
            ("token-form", "docs/howto/access-tokens.md"),
            ("too-many-registrations", "docs/howto/access-tokens.md"),
            ("code-locked", "docs/howto/enrolment.md"),
            ("invalid-receipt-handle", "docs/howto/partners.md"),
        ] {
            let found: Vec<_> = answered(code).collect();
            assert!(
                found.iter().any(|row| row.page == page && row.what_to_do.len() > 10),
                "{code}: {found:?}"
            );
            assert!(found.iter().all(|row| row.status.parse::<u16>().is_ok()), "{code}: {found:?}");
        }
        assert!(answered("status").next().is_none() && answered("").next().is_none());
        assert!(rows().count() > 40);
        assert!(rows().all(|row| row.codes().next().is_some()));
    }
}
