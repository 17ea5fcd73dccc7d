//! The part of XML 1.0 that audit messages need: elements, attributes, text.

/// Writes a document on one line.
#[derive(Debug)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn document() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned())
    }

    /// An element with attributes and the content that `content` writes.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            self.escape(value);
            self.0.push('"');
        }
        self.0.push('>');
        let begin = self.0.len();
        content(self);
        if self.0.len() == begin {
            self.0.pop();
            self.0.push_str("/>");
        } else {
            self.0.push_str("</");
            self.0.push_str(name);
            self.0.push('>');
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.escape(text);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// White space other than blanks becomes character references, because a parser turns it into blanks in
    /// attributes (XML 1.0 3.3.3), and log records are lines. Characters that XML forbids (XML 1.0 2.2) are
    /// replaced.
    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&apos;"),
                '\t' => self.0.push_str("&#9;"),
                '\n' => self.0.push_str("&#10;"),
                '\r' => self.0.push_str("&#13;"),
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.0.push(char::REPLACEMENT_CHARACTER),
                plain => self.0.push(plain),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &str) -> String {
        let mut xml = Xml::document();
        xml.element("a", &[("b", value)], |xml| xml.element("c", &[], |xml| xml.text(value)));
        xml.finish()
    }

    #[test]
    fn an_element_without_content_is_closed_at_once() {
        let mut xml = Xml::document();
        xml.element("a", &[("b", "<&>\"'\n\0")], |_| {});
        let expected = "<a b=\"&lt;&amp;&gt;&quot;&apos;&#10;\u{fffd}\"/>";
        assert_eq!(xml.finish(), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{expected}"));
    }

    proptest! {
        #[test]
        fn another_parser_reads_what_was_written(value in any::<String>()) {
            let text = written(&value);
            prop_assert!(!text.contains(['\n', '\r']), "one line");
            let document = roxmltree::Document::parse(&text).unwrap();
            let expected: String = value
                .chars()
                .map(|c| match c {
                    '\t' | '\n' | '\r' => c,
                    '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
                    c => c,
                })
                .collect();
            prop_assert_eq!(document.root_element().attribute("b"), Some(&*expected));
            let inner = document.root_element().first_element_child().unwrap();
            prop_assert_eq!(inner.text().unwrap_or_default(), &*expected);
        }
    }
}
