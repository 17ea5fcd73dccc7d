//! The rules of the source tree: which module may know which, and where a library may be named.
//!
//! A rule is data, with its reason; a line of code that breaks one is named with its file and number. What follows
//! `#[cfg(test)] mod` in a file, and files that are only compiled for tests, may know anybody.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A module of the crate, its layer, and the modules of its own or a lower layer that it may name.
///
/// An edge that is not here does not exist; one that nobody uses any more has to go.
const EDGES: [(&str, Layer, &[&str]); 21] = [
    (
        "cli",
        Layer::Entry,
        &[
            "app",
            "audit",
            "authz",
            "config",
            "hl7",
            "http",
            "interface_b",
            "model",
            "pcd",
            "pki",
            "revocation",
            "southbound",
            "store",
            "tls",
            "x509",
        ],
    ),
    (
        "app",
        Layer::Composition,
        &[
            "audit",
            "authz",
            "config",
            "http",
            "interface_a",
            "metrics",
            "model",
            "pcd",
            "audit_forwarder",
            "revocation",
            "southbound",
            "store",
            "tls",
            "x509",
        ],
    ),
    (
        "interface_a",
        Layer::Flow,
        &["audit", "authz", "config", "hl7", "metrics", "mllp", "model", "pcd", "revocation", "store", "tls"],
    ),
    ("southbound", Layer::Flow, &["hl7", "interface_a", "metrics", "mllp", "model", "store"]),
    ("interface_b", Layer::Flow, &["hl7", "mllp", "model", "tls"]),
    ("audit_forwarder", Layer::Flow, &["audit", "config", "metrics", "model", "store", "tls"]),
    ("http", Layer::Flow, &["authz", "metrics", "model", "pki", "revocation", "store"]),
    ("tls", Layer::Adapter, &["audit", "authz", "config", "model", "revocation", "x509"]),
    ("store", Layer::Adapter, &["audit", "authz", "metrics", "model", "pcd"]),
    ("revocation", Layer::Adapter, &["config", "metrics", "model", "x509"]),
    ("pki", Layer::Adapter, &["model", "revocation", "x509"]),
    ("authz", Layer::Core, &["hl7", "model", "pcd"]),
    ("audit", Layer::Core, &["authz", "hl7", "model"]),
    ("pcd", Layer::Core, &["config", "hl7"]),
    ("hl7", Layer::Core, &["mllp"]),
    ("mllp", Layer::Core, &[]),
    ("x509", Layer::Core, &["model"]),
    ("metrics", Layer::Ground, &["model"]),
    ("config", Layer::Ground, &["model"]),
    ("model", Layer::Ground, &[]),
    ("main", Layer::Entry, &[]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Ground,
    Core,
    Adapter,
    Flow,
    Composition,
    Entry,
}

/// Words that may only be written in certain places, and why.
const CONFINED: [(&str, &[&str], &str); 9] = [
    ("rustls::", &["src/tls/"], "one folder knows the TLS library"),
    ("tokio_rustls::", &["src/tls/"], "one folder knows the TLS library"),
    ("webpki::", &["src/tls/"], "path validation is a part of the handshake"),
    (
        "rustls_pki_types::",
        // It holds a PEM reader and no TLS; x509 reads files with it.
        &["src/tls/", "src/x509/pem.rs"],
        "certificates are bytes everywhere else",
    ),
    ("sqlx::", &["src/store/"], "one folder knows the database"),
    // Its errors are among those of the store.
    ("rusqlite::", &["src/store/sqlite/", "src/store/error.rs"], "one folder knows how SQLite is written to"),
    ("SystemTime::now", &["src/model/clock.rs"], "time comes from model::Clock"),
    ("Instant::now", &["src/model/clock.rs"], "time comes from model::Clock"),
    ("Timestamp::now", &["src/model/clock.rs"], "time comes from model::Clock"),
];

/// What a pure core must not do itself.
const IMPURE: [&str; 5] = ["std::net::Tcp", "tokio::net", "tokio::time", "std::fs", "tokio::fs"];
/// Formats of frames are written for tokio's codec traits; that is all of tokio that a core may know.
const PURE: [&str; 6] = ["authz", "audit", "pcd", "hl7", "mllp", "x509"];

const LONGEST_FILE: usize = 700;

/// One file of the source tree, without its tests.
struct Source {
    path: String,
    lines: usize,
    /// Line number and what is code in it.
    code: Vec<(usize, String)>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let mut code = Vec::new();
        let all: Vec<_> = text.lines().collect();
        for (at, line) in all.iter().enumerate() {
            let tests = line.trim_start().starts_with("#[cfg(test)]")
                && all.get(at + 1).is_some_and(|next| next.contains("mod tests"));
            // House rule: tests are at the bottom.
            if tests {
                break;
            }
            code.push((at + 1, without_comment(line).to_owned()));
        }
        Self { path: path.to_owned(), lines: all.len(), code }
    }

    /// The top-level module that it belongs to.
    fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/fixtures.rs"].iter().any(|part| self.path.contains(part))
    }

    fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn without_comment(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
}

/// The identifiers that follow `crate::`, also those in braces: `crate::{model, store}`.
fn named_modules(code: &str) -> Vec<String> {
    let identifier = |text: &str| -> String {
        text.trim().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
    };
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(list).split(',').map(identifier).collect(),
            None => vec![identifier(rest)],
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn edge(module: &str) -> Option<(Layer, &'static [&'static str])> {
    EDGES.iter().find(|(name, ..)| *name == module).map(|(_, layer, knows)| (*layer, *knows))
}

/// Every broken rule, as `file:line: what`.
fn broken(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        if source.lines > LONGEST_FILE {
            found.push(source.finding(source.lines, "a file of more than 700 lines"));
        }
        if source.is_test() || source.path == "src/lib.rs" {
            continue;
        }
        let Some((_, knows)) = edge(source.module()) else {
            found.push(source.finding(1, "a module without a layer"));
            continue;
        };
        for (line, code) in &source.code {
            for named in named_modules(code) {
                if named != source.module() && edge(&named).is_some() && !knows.contains(&&*named) {
                    found.push(source.finding(*line, &format!("{} must not know {named}", source.module())));
                }
            }
            for (word, places, reason) in CONFINED {
                let used = begins_a_path(code, word);
                if used && !places.iter().any(|place| source.path.starts_with(place)) {
                    found.push(source.finding(*line, &format!("{word} is not for here: {reason}")));
                }
            }
            if PURE.contains(&source.module()) {
                for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                    found.push(source.finding(*line, &format!("a pure core does not touch {word}")));
                }
            }
            if code.contains(".unwrap()") {
                found.push(source.finding(*line, "unwrap: a peer may decide the value"));
            }
        }
    }
    found
}

/// Whether the word stands in the code and is not the end of a longer one: `webpki::` is not in `rustls_webpki::`.
fn begins_a_path(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files) = (vec![root.join("src")], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        Source::new(name, &std::fs::read_to_string(path).unwrap())
    };
    files.iter().map(read).collect()
}

#[test]
fn the_sources_keep_the_rules() {
    let sources = tree();
    assert!(sources.len() > 100, "the tree has been read");
    let found = broken(&sources);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_has_no_edge_upward_and_none_that_is_not_used() {
    let mut used = BTreeSet::new();
    for source in tree().iter().filter(|source| !source.is_test()) {
        for (_, code) in &source.code {
            used.extend(named_modules(code).into_iter().map(|named| (source.module().to_owned(), named)));
        }
    }
    for (module, layer, knows) in EDGES {
        for known in knows {
            let (lower, _) = edge(known).expect(known);
            assert!(lower <= layer, "{module} is below {known}");
            // Flows and adapters do not know their own kind; but tls may ask about revocation, and the test PKI
            // writes what revocation's pure half reads; southbound asks Interface A who is connected.
            let asked = *known == "revocation" || (module, *known) == ("southbound", "interface_a");
            let alone = matches!(layer, Layer::Flow | Layer::Adapter) && lower == layer && !asked;
            assert!(!alone, "{module} and {known} are on one layer and must not know one another");
            assert!(
                used.contains(&(module.to_owned(), (*known).to_owned())),
                "{module} does not use {known}"
            );
        }
    }
}

#[test]
fn a_planted_violation_is_found() {
    let check = |path: &str, text: &str| broken(&[Source::new(path, text)]);
    for (path, text, word) in [
        ("src/mllp/codec.rs", "use crate::store::Store;\n", "mllp must not know store"),
        ("src/hl7/field.rs", "use crate::{mllp, tls};\n", "hl7 must not know tls"),
        ("src/tls/trust.rs", "fn f(x: crate::interface_a::Registry) {}\n", "tls must not know interface_a"),
        ("src/interface_a/session.rs", "use rustls::Error;\n", "rustls:: is not for here"),
        (
            "src/cli/send.rs",
            "fn f() -> rustls_pki_types::PemObject {}\n",
            "rustls_pki_types:: is not for here",
        ),
        ("src/app/mod.rs", "let row = sqlx::query(\"\");\n", "sqlx:: is not for here"),
        ("src/store/batch.rs", "use rusqlite::Connection;\n", "rusqlite:: is not for here"),
        ("src/store/writer.rs", "let now = Instant::now();\n", "Instant::now is not for here"),
        ("src/tls/trust.rs", "let now = std::time::SystemTime::now();\n", "SystemTime::now is not for here"),
        ("src/pcd/policy.rs", "let now = jiff::Timestamp::now();\n", "Timestamp::now is not for here"),
        ("src/x509/pem.rs", "let text = std::fs::read(path)?;\n", "a pure core does not touch std::fs"),
        ("src/http/mod.rs", "\nlet port = text.parse().unwrap();\n", "src/http/mod.rs:2: unwrap"),
        ("src/novelty/mod.rs", "\n", "a module without a layer"),
        ("src/model/clock.rs", &"\n".repeat(701), "more than 700 lines"),
    ] {
        let found = check(path, text);
        assert!(found.len() == 1 && found[0].contains(word), "{path} {text:?}: {found:?}");
    }
    for (path, text) in [
        ("src/tls/acceptor.rs", "use rustls::ServerConfig;\nuse crate::authz::Device;\n"),
        ("src/x509/pem.rs", "use rustls_pki_types::pem::PemObject;\n"),
        ("src/hl7/field.rs", "// crate::store is where it ends up, and rustls::Error is far away\n"),
        ("src/mllp/codec.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}\n"),
        ("src/mllp/tests.rs", "let x = y.unwrap();\n"),
        ("src/model/clock.rs", "    Timestamp::now()\n"),
    ] {
        assert_eq!(check(path, text), Vec::<String>::new(), "{path}");
    }
}
