//! Pieces of HTML that pages share. Text becomes HTML here and in the templates, and nowhere else.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// A piece of HTML: a template writes it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Html(String);

impl Html {
    /// A text, escaped.
    #[must_use]
    pub(super) fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len() + 8);
        escape(text, &mut html);
        Self(html)
    }

    /// HTML that the program wrote itself.
    pub(super) const fn written(html: String) -> Self {
        Self(html)
    }

    /// A link.
    #[must_use]
    pub(super) fn link(href: &str, text: &str) -> Self {
        Self(format!("<a href=\"{}\">{}</a>", Self::text(href), Self::text(text)))
    }

    /// A number of rows, as a link to them. The list there has as many rows, or says that it is cut.
    #[must_use]
    pub(super) fn rows(href: &str, rows: usize, text: &str) -> Self {
        Self::rows_of(href, rows, &Self::text(text))
    }

    /// The same with a piece in the place of a text.
    #[must_use]
    pub(super) fn rows_of(href: &str, rows: usize, piece: &Self) -> Self {
        Self(format!("<a href=\"{}\" data-rows=\"{rows}\">{piece}</a>", Self::text(href)))
    }

    /// A link that leads to a change.
    #[must_use]
    pub(super) fn button(href: &str, text: &str) -> Self {
        Self(format!("<a class=\"button\" href=\"{}\">{}</a>", Self::text(href), Self::text(text)))
    }

    /// A code, an identifier or a command, in a fixed width.
    #[must_use]
    pub(super) fn code(text: &str) -> Self {
        Self(format!("<code>{}</code>", Self::text(text)))
    }

    /// The same, and nothing for an empty text.
    #[must_use]
    pub(super) fn code_or_nothing(text: &str) -> Self {
        if text.is_empty() { Self::default() } else { Self::code(text) }
    }

    /// A text of less weight.
    #[must_use]
    pub(super) fn muted(text: &str) -> Self {
        Self(format!("<span class=\"sub\">{}</span>", Self::text(text)))
    }

    /// A piece of less weight.
    #[must_use]
    pub(super) fn muted_html(piece: Self) -> Self {
        if piece.is_empty() { piece } else { Self(format!("<span class=\"sub\">{piece}</span>")) }
    }

    /// A state: its sign and its word, so that colour says nothing alone.
    #[must_use]
    pub(super) fn tag(tone: Tone, word: &str) -> Self {
        let (class, sign) = (tone.class(), tone.sign());
        let word = Self::text(word);
        Self(format!("<span class=\"tag {class}\"><span aria-hidden=\"true\">{sign}</span> {word}</span>"))
    }

    /// Several pieces with a blank between them.
    #[must_use]
    pub(super) fn joined(pieces: impl IntoIterator<Item = Self>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.0).collect();
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// Several pieces with a dot between them.
    #[must_use]
    pub(super) fn dotted(pieces: impl IntoIterator<Item = Self>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.0).collect();
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" · "))
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(&text)
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// What a state means for the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// All is well.
    Good,
    /// A person should look, today.
    Watch,
    /// A person should look, now.
    Bad,
    /// Neither.
    Quiet,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Watch => "watch",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Watch => "◐",
            Self::Bad => "●",
            Self::Quiet => "○",
        }
    }
}

/// The path of a page with a query: values are encoded, empty ones left out.
#[must_use]
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut separator = '?';
    for (key, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(address, "{separator}{key}={}", encoded(value));
        separator = '&';
    }
    address
}

/// The address of the page of a device, or of what has this name.
#[must_use]
pub(super) fn device_address(name: &str) -> String {
    format!("/devices/{}", encoded(name))
}

/// The name of a device, as a link to its page.
#[must_use]
pub(super) fn device_link(name: &str) -> Html {
    Html::link(&device_address(name), name)
}

/// The explanation of a code, as a link.
#[must_use]
pub(super) fn help_link(code: &str, text: &str) -> Html {
    Html::link(&format!("/help/{}", encoded(code)), text)
}

/// A text in a path or a query (RFC 3986 2.1).
#[must_use]
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// How many there are, for a reader.
#[must_use]
pub(super) fn number(count: usize) -> String {
    grouped(u64::try_from(count).unwrap_or_default())
}

/// `1 device`, `2 431 devices`.
#[must_use]
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with a narrow blank between its thousands.
#[must_use]
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202F}');
        }
        shown.push(digit);
    }
    shown
}

/// The text as a sentence, for people: a capital at its beginning and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let text = format!("{first}{}", letters.as_str()).replace('`', "");
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_wrote_is_text_in_every_piece() {
        let hostile = "\"><script>alert('1')</script>&";
        for html in [
            Html::text(hostile),
            Html::link(hostile, hostile),
            Html::code(hostile),
            Html::muted(hostile),
            Html::tag(Tone::Bad, hostile),
            device_link(hostile),
        ] {
            assert!(!html.to_string().contains("<script") && !html.to_string().contains("\">\""), "{html}");
        }
        assert_eq!(
            Html::text(hostile).to_string(),
            "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;"
        );
    }

    #[test]
    fn addresses_are_encoded_and_empty_filters_left_out() {
        assert_eq!(address("/messages", &[("device", "A B&C"), ("type", "")]), "/messages?device=A%20B%26C");
        assert_eq!(address("/messages", &[("type", "")]), "/messages");
        assert_eq!(device_address("a/b%é"), "/devices/a%2Fb%25%C3%A9");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [7, 999, 1000, 1_234_567].map(grouped),
            ["7", "999", "1\u{202F}000", "1\u{202F}234\u{202F}567"]
        );
        assert_eq!([0, 1].map(|number| counted(number, "row")), ["0 rows", "1 row"]);
    }
}
