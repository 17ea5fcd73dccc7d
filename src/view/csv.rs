//! Cells of CSV files that people open in a spreadsheet.

/// The cell of this text (RFC 4180), of which no spreadsheet makes another cell or a formula.
///
/// Some separate cells by semicolons or tabs, also within what RFC 4180 quotes, and some take full-width
/// signs for the beginning of a formula: such a sign gets an apostrophe before it, wherever a cell could
/// begin.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let (mut cell, mut begins) = (String::with_capacity(text.len() + 2), true);
    for character in text.chars() {
        if begins && FORMULA.contains(&character) {
            cell.push('\'');
        }
        begins = SEPARATORS.contains(&character) || begins && character.is_whitespace();
        if character == '"' {
            cell.push('"');
        }
        cell.push(character);
    }
    if text.contains(['"', ',']) || text.contains(SEPARATORS) { format!("\"{cell}\"") } else { cell }
}

/// Signs with which a formula begins, also full-width ones.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];
/// What ends a cell for some spreadsheet, besides the comma.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_leaves_its_column() {
        for (text, cell) in [
            ("=cmd()", "'=cmd()"),
            (" =cmd()", " '=cmd()"),
            ("\t=1", "\"\t'=1\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("a\r\n+1", "\"a\r\n'+1\""),
            ("x;=1+1", "\"x;'=1+1\""),
            ("x; @SUM(1)", "\"x; '@SUM(1)\""),
            ("x\t-1", "\"x\t'-1\""),
            ("＝1+1", "'＝1+1"),
            ("＠SUM(1)", "'＠SUM(1)"),
            ("x;－1", "\"x;'－1\""),
            ("＋1", "'＋1"),
            ("00A037FFFE000001", "00A037FFFE000001"),
            ("Station 7-B", "Station 7-B"),
        ] {
            assert_eq!(csv_cell(text), cell, "{text:?}");
        }
    }
}
