//! Help pages as HTML: the few marks that the files of `docs/help` use.

use super::element::Html;

/// The text behind its first heading, as HTML.
#[must_use]
pub(super) fn markdown(text: &str) -> Html {
    let mut html = String::with_capacity(text.len() * 2);
    let body = text.strip_prefix("# ").and_then(|rest| rest.split_once('\n')).map_or(text, |(_, body)| body);
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with("```") || line.starts_with("    ") {
            let mut code = Vec::new();
            if line.starts_with("```") {
                code.extend(lines.by_ref().take_while(|next| !next.starts_with("```")));
            } else {
                code.push(line.trim_start());
                while let Some(next) = lines.next_if(|next| next.starts_with("    ")) {
                    code.push(next.trim_start());
                }
            }
            html.push_str(&format!(
                "<pre tabindex=\"0\"><code>{}</code></pre>",
                Html::text(&code.join("\n"))
            ));
            continue;
        }
        if let Some(heading) = line.strip_prefix("## ") {
            html.push_str(&format!("<h2>{}</h2>", spans(heading)));
            continue;
        }
        let mut paragraph = line.trim().to_owned();
        let is_list = item(line).is_some();
        if is_list {
            list(line, &mut lines, &mut html);
            continue;
        }
        while let Some(next) =
            lines.next_if(|next| !next.trim().is_empty() && item(next).is_none() && !next.starts_with('#'))
        {
            paragraph.push(' ');
            paragraph.push_str(next.trim());
        }
        html.push_str(&format!("<p>{}</p>", spans(&paragraph)));
    }
    Html::written(html)
}

fn list<'a>(
    first: &'a str,
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    html: &mut String,
) {
    let (name, mut text) = item(first).map_or(("ul", String::new()), |(kind, text)| (kind, text.to_owned()));
    html.push_str(&format!("<{name}>"));
    loop {
        while let Some(next) = lines.next_if(|next| !next.trim().is_empty() && item(next).is_none()) {
            text.push(' ');
            text.push_str(next.trim());
        }
        html.push_str(&format!("<li>{}</li>", spans(&text)));
        match lines.next_if(|next| item(next).is_some()).and_then(item) {
            Some((_, next)) => text = next.to_owned(),
            None => break,
        }
    }
    html.push_str(&format!("</{name}>"));
}

/// The text of an entry of a list, and the name of the list.
fn item(line: &str) -> Option<(&'static str, &str)> {
    if let Some(text) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return Some(("ul", text));
    }
    let (number, text) = line.split_once(". ")?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())).then_some(("ol", text))
}

/// Text with code, bold words and links.
fn spans(text: &str) -> Html {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        let (before, marked) = rest.split_at(at);
        html.push_str(&Html::text(before).to_string());
        let (piece, behind) = marked_span(marked);
        html.push_str(&piece.to_string());
        rest = behind;
    }
    html.push_str(&Html::text(rest).to_string());
    Html::written(html)
}

/// The piece that begins with a mark, and the text behind it.
fn marked_span(text: &str) -> (Html, &str) {
    if let Some((code, behind)) = text.strip_prefix('`').and_then(|inside| inside.split_once('`')) {
        return (Html::code(code), behind);
    }
    if let Some((bold, behind)) = text.strip_prefix("**").and_then(|inside| inside.split_once("**")) {
        return (Html::written(format!("<strong>{}</strong>", Html::text(bold))), behind);
    }
    if let Some((name, target)) = text.strip_prefix('[').and_then(|inside| inside.split_once("]("))
        && let Some((target, behind)) = target.split_once(')')
    {
        return (link(name, target), behind);
    }
    let mut letters = text.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    (Html::text(&first), letters.as_str())
}

/// A page of a code is served here; another page of the documentation is named.
fn link(name: &str, target: &str) -> Html {
    let file = target.split('#').next().unwrap_or(target);
    let file = file.strip_prefix("../help/").unwrap_or(file);
    match file.strip_suffix(".md") {
        Some(code) if !code.contains('/') => Html::link(&format!("/help/{code}"), name.trim_matches('`')),
        Some(page) => {
            let page = page.trim_start_matches("../");
            Html::joined([spans_of_name(name), Html::muted(&format!("(docs/{page}.md)"))])
        }
        None => spans_of_name(name),
    }
}

fn spans_of_name(name: &str) -> Html {
    Html::text(name.trim_matches('`'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_page_becomes_paragraphs_lists_code_and_links() {
        let text = "# code\n\nOne <b> line\nand `a < b` **two**.\n\n## What to do\n\n1. First,\n   wrapped.\n2. See [other](other.md), [docs](../explanation/audit.md).\n\n- x\n\n    run `this`\n";
        assert_eq!(
            markdown(text).to_string(),
            "<p>One &lt;b&gt; line and <code>a &lt; b</code> <strong>two</strong>.</p><h2>What to do</h2>\
             <ol><li>First, wrapped.</li><li>See <a href=\"/help/other\">other</a>, docs \
             <span class=\"sub\">(docs/explanation/audit.md)</span>.</li></ol><ul><li>x</li></ul>\
             <pre tabindex=\"0\"><code>run `this`</code></pre>"
        );
    }

    #[test]
    fn every_help_page_is_read_to_its_end() {
        for page in crate::finding::help_pages() {
            let html = markdown(page.text).to_string();
            // What is read, without the addresses of links.
            let parts = page.text.split("](").enumerate();
            let behind = |part: &str| part.split_once(')').map_or(String::new(), |(_, rest)| rest.to_owned());
            let read: String =
                parts.map(|(n, part)| if n == 0 { part.to_owned() } else { behind(part) }).collect();
            let mut words = read.rsplit(|letter: char| !letter.is_ascii_alphanumeric());
            let word = words.find(|word| !word.is_empty()).unwrap();
            assert!(html.contains(word), "{}: {word}: {html}", page.code);
            assert!(!html.contains("]("), "{}: {html}", page.code);
        }
    }

    #[test]
    fn marks_without_their_end_are_text() {
        for text in ["`", "[a](b", "**x", "[", "* "] {
            let _ = markdown(text);
        }
        assert_eq!(markdown("a `b").to_string(), "<p>a `b</p>");
    }
}
