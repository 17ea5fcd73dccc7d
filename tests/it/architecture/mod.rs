//! The rules of the source tree: which module may use which, where a library may be named, that the files of
//! a folder form no cycle, and how long files and functions are.
//!
//! A rule is data, with its reason; a line of code that breaks one is named with its file and number. Code
//! below `#[cfg(test)] mod tests`, and files that are compiled for tests only, may use every module.

mod figures;
mod graph;
mod source;

use std::collections::BTreeSet;

use figures::{FileSizes, long_functions};
use graph::Graph;
use source::{Source, tree};

/// A module of the crate, its layer, and the modules of its own or a lower layer that it may name.
///
/// An edge that is not listed is forbidden; one that no code uses any more must be removed.
const EDGES: [(&str, Layer, &[&str]); 40] = [
    (
        "cli",
        Layer::Entry,
        &[
            "app",
            "audit",
            "authz",
            "clients",
            "config",
            "enrol",
            "fhir",
            "filesystem",
            "finding",
            "fleet",
            "hl7",
            "http",
            "interface_a",
            "interface_b",
            "liveness",
            "model",
            "notify",
            "pcd",
            "pki",
            "projector",
            "render",
            "revocation",
            "simulate",
            "southbound",
            "store",
            "tls",
            "view",
            "x509",
        ],
    ),
    (
        "app",
        Layer::Composition,
        &[
            "api",
            "audit",
            "clients",
            "authz",
            "config",
            "contact",
            "enrol",
            "finding",
            "fleet",
            "gateway",
            "http",
            "interface_a",
            "liveness",
            "metrics",
            "model",
            "notify",
            "oauth",
            "outbound",
            "page",
            "projector",
            "audit_forwarder",
            "revocation",
            "southbound",
            "store",
            "tls",
            "view",
            "x509",
        ],
    ),
    (
        "interface_a",
        Layer::Flow,
        &[
            "audit",
            "authz",
            "config",
            "contact",
            "hl7",
            "liveness",
            "metrics",
            "mllp",
            "model",
            "pcd",
            "proxy_header",
            "revocation",
            "store",
            "tls",
        ],
    ),
    ("contact", Layer::Flow, &["authz", "liveness", "model", "store"]),
    ("liveness", Layer::Flow, &["audit", "authz", "config", "hl7", "metrics", "model", "pcd", "store"]),
    (
        "southbound",
        Layer::Flow,
        &["audit", "authz", "config", "hl7", "interface_a", "metrics", "mllp", "model", "pcd", "store"],
    ),
    (
        "gateway",
        Layer::Flow,
        &[
            "authz",
            "config",
            "hl7",
            "interface_a",
            "interface_b",
            "metrics",
            "mllp",
            "model",
            "pcd",
            "revocation",
            "southbound",
            "store",
            "tls",
        ],
    ),
    (
        "api",
        Layer::Flow,
        &[
            "audit",
            "clients",
            "config",
            "enrol",
            "fhir",
            "metrics",
            "model",
            "oauth",
            "pki",
            "proxy_header",
            "render",
            "store",
            "tls",
            "x509",
        ],
    ),
    (
        "projector",
        Layer::Flow,
        &["clients", "config", "fhir", "hl7", "metrics", "model", "pcd", "render", "store"],
    ),
    // The resources that readers see, which the index has as messages.
    ("render", Layer::Presentation, &["config", "fhir", "hl7", "model", "store"]),
    ("notify", Layer::Flow, &["config", "filesystem", "finding", "metrics", "model", "store", "tls"]),
    (
        "outbound",
        Layer::Flow,
        &["clients", "config", "filesystem", "metrics", "model", "render", "revocation", "store", "tls"],
    ),
    ("interface_b", Layer::Flow, &["hl7", "mllp", "model", "pcd", "tls"]),
    ("simulate", Layer::Flow, &["config", "hl7", "interface_b", "mllp", "model", "pki", "revocation", "tls"]),
    ("audit_forwarder", Layer::Flow, &["audit", "config", "filesystem", "metrics", "model", "store", "tls"]),
    (
        "http",
        Layer::Flow,
        &[
            "audit",
            "authz",
            "clients",
            "config",
            "filesystem",
            "finding",
            "fleet",
            "metrics",
            "model",
            "revocation",
            "store",
            "tls",
            "view",
            "x509",
        ],
    ),
    (
        "page",
        Layer::Flow,
        &[
            "audit",
            "authz",
            "clients",
            "config",
            "enrol",
            "finding",
            "fleet",
            "hl7",
            "http",
            "model",
            "pcd",
            "revocation",
            "store",
            "view",
        ],
    ),
    ("view", Layer::Presentation, &["audit", "authz", "finding", "fleet", "hl7", "model", "pcd", "store"]),
    ("fleet", Layer::Presentation, &["authz", "model", "pcd", "store"]),
    ("tls", Layer::Adapter, &["audit", "authz", "config", "filesystem", "model", "revocation", "x509"]),
    ("proxy_header", Layer::Adapter, &[]),
    (
        "store",
        Layer::Adapter,
        &["audit", "authz", "clients", "enrol", "filesystem", "metrics", "model", "pcd"],
    ),
    ("revocation", Layer::Adapter, &["config", "filesystem", "metrics", "model", "x509"]),
    ("pki", Layer::Adapter, &["enrol", "model", "revocation", "x509"]),
    ("authz", Layer::Core, &["hl7", "model", "pcd"]),
    ("audit", Layer::Core, &["authz", "model"]),
    ("fhir", Layer::Core, &["hl7", "model", "pcd"]),
    ("clients", Layer::Core, &["config", "model"]),
    // Assertions and metadata of OAuth 2.0; who may read is decided by `clients`.
    ("oauth", Layer::Core, &["clients", "model", "x509"]),
    ("enrol", Layer::Core, &["authz", "clients", "config", "model", "x509"]),
    ("pcd", Layer::Core, &["config", "hl7", "model"]),
    ("hl7", Layer::Core, &["mllp", "model"]),
    ("mllp", Layer::Core, &["model"]),
    ("x509", Layer::Core, &["model"]),
    ("metrics", Layer::Ground, &["model"]),
    ("config", Layer::Ground, &["finding", "model"]),
    ("filesystem", Layer::Ground, &[]),
    ("finding", Layer::Ground, &["model"]),
    ("model", Layer::Ground, &[]),
    ("main", Layer::Entry, &[]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Ground,
    Core,
    Adapter,
    /// The shape in which operators see what the adapters hold.
    Presentation,
    Flow,
    Composition,
    Entry,
}

/// Paths that may be named only in certain places, and why.
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
const PURE: [&str; 9] = ["authz", "audit", "clients", "enrol", "fhir", "pcd", "hl7", "mllp", "x509"];

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
        if source.is_test() || source.path == "src/lib.rs" {
            continue;
        }
        let Some((_, knows)) = edge(source.module()) else {
            found.push(source.violation(1, "a module without a layer"));
            continue;
        };
        for (line, code) in &source.code {
            for named in named_modules(code) {
                if named != source.module() && edge(&named).is_some() && !knows.contains(&&*named) {
                    found
                        .push(source.violation(*line, &format!("{} must not know {named}", source.module())));
                }
            }
            for (word, places, reason) in CONFINED {
                let used = begins_a_path(code, word);
                if used && !places.iter().any(|place| source.path.starts_with(place)) {
                    found.push(source.violation(*line, &format!("{word} is not for here: {reason}")));
                }
            }
            if PURE.contains(&source.module()) {
                for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                    found.push(source.violation(*line, &format!("a pure core does not touch {word}")));
                }
            }
            if code.contains(".unwrap()") {
                found.push(source.violation(*line, "unwrap: a peer may decide the value"));
            }
        }
    }
    found
}

/// Whether the word stands in the code and is not the end of a longer one: `webpki::` is not in
/// `rustls_webpki::`.
fn begins_a_path(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

#[test]
fn sources_keep_the_layers_and_name_libraries_in_their_place() {
    let sources = tree();
    assert!(sources.len() > 100, "the source tree was found");
    let found = broken(&sources);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_has_no_upward_edge_and_no_unused_edge() {
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
            // Flows and adapters do not know their own kind; but tls may ask about revocation, and the test
            // PKI writes what revocation's pure half reads; southbound asks Interface A who is connected, and
            // pages are served by the admin listener. Interface A reports to liveness and contact, and
            // contact writes what liveness knows. Simulated devices are clients of Interface B.
            let reports = [
                ("southbound", "interface_a"),
                ("interface_a", "liveness"),
                ("interface_a", "contact"),
                ("contact", "liveness"),
                ("page", "http"),
                ("simulate", "interface_b"),
                // A gateway joins both interfaces, and passes on orders.
                ("gateway", "interface_a"),
                ("gateway", "interface_b"),
                ("gateway", "southbound"),
            ];
            let asked = *known == "revocation" || reports.contains(&(module, *known));
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
fn planted_violations_are_found() {
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
        ("src/store/write/batch.rs", "use rusqlite::Connection;\n", "rusqlite:: is not for here"),
        ("src/store/write/queue.rs", "let now = Instant::now();\n", "Instant::now is not for here"),
        ("src/tls/trust.rs", "let now = std::time::SystemTime::now();\n", "SystemTime::now is not for here"),
        ("src/pcd/policy.rs", "let now = jiff::Timestamp::now();\n", "Timestamp::now is not for here"),
        ("src/x509/pem.rs", "let text = std::fs::read(path)?;\n", "a pure core does not touch std::fs"),
        ("src/http/mod.rs", "\nlet port = text.parse().unwrap();\n", "src/http/mod.rs:2: unwrap"),
        ("src/novelty/mod.rs", "\n", "a module without a layer"),
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

#[test]
fn files_of_a_folder_form_no_cycle() {
    let sources = tree();
    let graph = Graph::new(sources.iter().filter(|source| !source.is_test()));
    assert!(graph.edges().len() > 100, "the edges between files were found");
    let cycles: Vec<_> = graph.cycles().into_iter().map(|cycle| cycle.join(" <-> ")).collect();
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

#[test]
fn planted_cycles_are_found() {
    let cycles = |files: &[(&str, &str)]| {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        Graph::new(&sources).cycles()
    };
    let pair = vec![vec!["src/a/one.rs".to_owned(), "src/a/two.rs".to_owned()]];
    let root = ("src/a/mod.rs", "mod one;\nmod two;\npub use one::One;\npub use two::Two;\n");
    let one =
        |text| [root, ("src/a/one.rs", text), ("src/a/two.rs", "use super::one::One;\npub struct Two;\n")];
    for planted in [
        "use super::two::Two;\n",
        "use super::{two::Two as Other};\n",
        "use crate::a::{\n    two::{self, Two},\n};\nfn f(x: Two) {}\n",
        "use super::two;\nfn f(x: two::Two) {}\n",
        "fn f(x: super::two::Two) {}\n",
        // Through the re-export of the folder, which is transparent.
        "use super::Two;\n",
        "fn f(x: crate::a::Two) {}\n",
        "mod inner {\n    use super::super::two::Two;\n}\n",
    ] {
        assert_eq!(cycles(&one(planted)), pair, "{planted}");
    }
    for harmless in [
        "pub struct One;\n",
        "// use super::two::Two;\n",
        "const TEXT: &str = \"use super::two::Two;\";\n",
        "const TEXT: &str = r#\"\n use super::two::Two; \"#;\n",
        "use crate::b::Two;\n",
        "mod inner {\n    use super::super::b;\n    use super::One;\n}\npub struct One;\n",
        "#[cfg(test)]\nmod tests {\n    use super::super::two::Two;\n}\n",
    ] {
        assert_eq!(cycles(&one(harmless)), Vec::<Vec<String>>::new(), "{harmless}");
    }
    // A file that uses what its folder's mod.rs defines, and is used there.
    let parent = ("src/a/mod.rs", "mod one;\npub struct Root(one::One);\n");
    let found = cycles(&[parent, ("src/a/one.rs", "use super::Root;\npub struct One;\n")]);
    assert_eq!(found, [["src/a/mod.rs", "src/a/one.rs"]]);
}

#[test]
fn files_and_functions_stay_short() {
    let sources = tree();
    let production: Vec<_> = sources.iter().filter(|source| !source.is_test()).collect();
    let sizes = FileSizes::new(&production);
    println!("lines of production code by file: {sizes:?}");
    let mut found = Vec::new();
    if sizes.median > MAX_MEDIAN_LINES || sizes.ninetieth > MAX_NINETIETH_LINES {
        found.push(format!("{sizes:?}; allowed are {MAX_MEDIAN_LINES} and {MAX_NINETIETH_LINES} lines"));
    }
    for source in &production {
        if source.lines > MAX_FILE_LINES {
            found.push(source.violation(source.lines, "a file of more than 500 lines"));
        }
        for (line, name, length) in long_functions(source, MAX_FUNCTION_LINES) {
            found.push(source.violation(line, &format!("{name} has {length} lines")));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn planted_long_functions_are_found() {
    let body = "    let a = [1; 2];\n".repeat(MAX_FUNCTION_LINES - 1);
    let function = |declaration: &str, more: &str| {
        let text = format!("trait T {{ fn g(); }}\n{declaration} f(a: &str)\nwhere\n{{\n{body}{more}}}\n");
        long_functions(&Source::new("src/a.rs", &text), MAX_FUNCTION_LINES + 3)
    };
    assert_eq!(function("fn", ""), []);
    assert_eq!(function("pub(super) const fn", "{}\n"), [(2, "f".to_owned(), MAX_FUNCTION_LINES + 4)]);
    assert_eq!(function("fn", "// }\n'}'; \"}\";\n"), [(2, "f".to_owned(), MAX_FUNCTION_LINES + 5)]);
}

/// Lines of the middle file.
const MAX_MEDIAN_LINES: usize = 150;

/// Lines that nine of ten files do not exceed.
const MAX_NINETIETH_LINES: usize = 350;

const MAX_FILE_LINES: usize = 500;

const MAX_FUNCTION_LINES: usize = 60;
