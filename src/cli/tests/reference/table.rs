//! Tables in Markdown.

/// A table in Markdown.
pub(super) struct Table(String);

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(heads);
        table.row(&vec!["---"; heads.len()]);
        table
    }

    pub(super) fn row(&mut self, cells: &[&str]) {
        let cells = cells.iter().map(|cell| in_cell(cell));
        self.0.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// A text on one line that does not end a cell.
fn in_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
