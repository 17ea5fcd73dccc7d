//! Comma-separated values (RFC 4180), as spreadsheets write them: also with semicolons or tabs.

/// One record, and the line on which it starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// Why a text is no CSV.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    #[error("line {0}: a quoted field has no closing quote")]
    Unclosed(usize),
    #[error("line {0}: quotes must enclose a whole field; write a quote inside a field twice")]
    Quote(usize),
}

/// Reads all records of `text`. Empty lines and a byte order mark are skipped.
pub(super) fn records(text: &str) -> Result<Vec<Record>, CsvError> {
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest, line: 1, separator: separator(rest) };
    let mut records = Vec::new();
    while !reader.rest.is_empty() {
        let record = reader.record()?;
        if record.fields.iter().any(|field| !field.is_empty()) {
            records.push(record);
        }
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    separator: char,
}

/// What separates the fields of the first line that is not empty: whichever of these is there most often.
fn separator(text: &str) -> char {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: char| header.matches(separator).count();
    [',', ';', '\t'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(',')
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Record, CsvError> {
        let mut record = Record { line: self.line, fields: Vec::new() };
        loop {
            record.fields.push(self.field()?);
            if !self.skip(self.separator) {
                self.skip('\r');
                self.skip('\n');
                self.line += 1;
                return Ok(record);
            }
        }
    }

    fn field(&mut self) -> Result<String, CsvError> {
        if self.skip('"') {
            return self.quoted();
        }
        let end = self.rest.find([self.separator, '\r', '\n']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        if field.contains('"') {
            return Err(CsvError::Quote(self.line));
        }
        self.rest = rest;
        Ok(field.trim().to_owned())
    }

    fn quoted(&mut self) -> Result<String, CsvError> {
        let begin = self.line;
        let mut field = String::new();
        loop {
            let (text, rest) = self.rest.split_once('"').ok_or(CsvError::Unclosed(begin))?;
            self.line += text.matches('\n').count();
            field.push_str(text);
            self.rest = rest;
            if self.skip('"') {
                field.push('"');
            } else if self.rest.is_empty() || self.rest.starts_with([self.separator, '\r', '\n']) {
                return Ok(field.trim().to_owned());
            } else {
                return Err(CsvError::Quote(self.line));
            }
        }
    }

    fn skip(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text).unwrap().into_iter().map(|record| (record.line, record.fields)).collect()
    }

    fn owned(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn fields_lines_and_quotes() {
        let text = "\u{feff}cn,note\r\nA, x \r\n\r\n\"B\",\"says \"\"no\"\",\nthen yes\"\nC,\n";
        assert_eq!(
            read(text),
            [
                (1, owned(&["cn", "note"])),
                (2, owned(&["A", "x"])),
                (4, owned(&["B", "says \"no\",\nthen yes"])),
                (6, owned(&["C", ""])),
            ]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("last line"), [(1, owned(&["last line"]))]);
    }

    #[test]
    fn the_header_says_what_separates_fields() {
        let one = |text: &str| read(text).remove(0).1;
        assert_eq!(one("cn;note;ward\n"), owned(&["cn", "note", "ward"]));
        assert_eq!(one("cn\tnote\n"), owned(&["cn", "note"]));
        assert_eq!(one("\ncn,note;x\n"), owned(&["cn", "note;x"]));
        assert_eq!(read("cn;note\nA;\"x; y\"\n")[1].1, owned(&["A", "x; y"]));
        assert_eq!(one("cn"), owned(&["cn"]));
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(records("a\n\"b"), Err(CsvError::Unclosed(2)));
        assert_eq!(records("a\nb\"c"), Err(CsvError::Quote(2)));
        assert_eq!(records("a\n\"b\"c"), Err(CsvError::Quote(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_text_is_read_to_its_end(text in "[a,\"\r\n ]{0,40}") {
            let _ = records(&text);
        }

        #[test]
        fn quoted_fields_read_back(fields in prop::collection::vec("[a-c,\"\n]{1,8}z", 1..5)) {
            let line: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            let expected: Vec<_> = fields.iter().map(|field| field.trim().to_owned()).collect();
            prop_assert_eq!(read(&line.join(",")), [(1, expected)]);
        }
    }
}
