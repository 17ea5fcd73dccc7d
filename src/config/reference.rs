//! What each key is, in words: the tables of `docs/reference/configuration.md`, which are part of the
//! program.
//!
//! The tests compare them with the structs, with the lists of keys and with `config/platform.toml`, so that a
//! key has one text wherever it is explained.

use super::keys;

/// The explanation of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The full name: `interface-a.max-frame`.
    pub key: &'static str,
    /// The default, as the file would have it; `none` where there is none.
    pub default: String,
    /// The values that it may have, in words.
    pub values: String,
    /// When a changed value takes effect: `applied`, `new-sessions` or `restart`.
    pub reload: &'static str,
    /// What it is.
    pub what: String,
}

/// Every key, in the order of the sections.
#[must_use]
pub fn references() -> Vec<Reference> {
    let rows: Vec<_> = rows(TEXT).collect();
    let of = |key: &'static super::key::Key| {
        let (_, cells) = rows.iter().find(|(name, _)| name == key.name)?;
        let cell = |at: usize| cells.get(at).map(|cell| plain(cell)).unwrap_or_default();
        let (default, values, what) = (cell(0), cell(1), cell(3));
        Some(Reference { key: key.name, default, values, reload: key.class.code(), what })
    };
    keys::all().filter_map(of).collect()
}

/// The rows of the tables: the full name of the key, and the cells behind it.
pub(super) fn rows(text: &'static str) -> impl Iterator<Item = (String, Vec<&'static str>)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix("## `[").and_then(|rest| rest.strip_suffix("]`")) {
            section = name;
        }
        let (key, cells) = line.strip_prefix("| `")?.split_once("` | ")?;
        let cells = cells.trim_end_matches('|').split(" | ").map(str::trim).collect();
        Some((format!("{section}.{key}").trim_start_matches('.').to_owned(), cells))
    })
}

/// The text without the marks of Markdown; a link is its text, and a page of `docs` its path.
fn plain(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("](") {
        let (target, after) = behind.split_once(')').unwrap_or((behind, ""));
        let (before, name) = before.rsplit_once('[').unwrap_or(("", before));
        shown.push_str(before);
        shown.push_str(name);
        if !name.ends_with(".md") && target.contains(".md") {
            let page = target.split('#').next().unwrap_or_default();
            let page = page.strip_prefix("../").map_or_else(|| format!("reference/{page}"), str::to_owned);
            shown.push_str(&format!(" (docs/{page})"));
        }
        rest = after;
    }
    shown.push_str(rest);
    shown.replace('`', "")
}

pub(super) const TEXT: &str = include_str!("../../docs/reference/configuration.md");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_without_marks() {
        let all = references();
        assert_eq!(all.len(), keys::all().count());
        for of in &all {
            let texts = [&of.default, &of.values, &of.what];
            assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('`')), "{of:?}");
        }
        let limit = all.iter().find(|of| of.key == "interface-a.max-frame").unwrap();
        assert_eq!((limit.default.as_str(), limit.reload), ("\"16 MiB\"", "applied"));
        assert_eq!(plain("see [store.md](store.md#rights), `x`"), "see store.md, x");
        assert_eq!(plain("[the fields](notifications.md)"), "the fields (docs/reference/notifications.md)");
        assert_eq!(plain("[`x`](../help/expired.md#y)"), "x (docs/help/expired.md)");
    }
}
