//! What is in the bundle.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::admin_client::Target;
use crate::cli::config::effective_lines;
use crate::cli::config_file::ConfigFile;
use crate::cli::doctor::Subject;
use crate::cli::{Failure, admin_client, doctor};
use crate::config::Config;
use crate::model::{Clock, Fingerprint, explained};
use crate::store::Store;

/// A file of the bundle.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    /// What it holds, in words.
    pub(super) what: String,
    pub(super) content: String,
}

/// A member as JSON.
#[derive(Serialize)]
pub(super) struct MemberView<'a> {
    name: &'a str,
    bytes: usize,
    what: &'a str,
}

impl Member {
    pub(super) fn new(name: &'static str, what: impl Into<String>, content: String) -> Self {
        Self { name, what: what.into(), content }
    }

    pub(super) fn view(&self) -> MemberView<'_> {
        MemberView { name: self.name, bytes: self.content.len(), what: &self.what }
    }
}

/// Everything but the log. For a configuration that cannot be used: its fault, and the answers of the running
/// platform, if there is one.
///
/// # Errors
/// When the configuration changes meanwhile so that it cannot be used.
pub(super) async fn collect(
    file: &ConfigFile,
    subject: &Subject,
    clock: &Clock,
) -> Result<Vec<Member>, Failure> {
    let (findings, config, store, target) = match subject {
        Subject::Whole(config, target) => {
            let findings = Box::pin(doctor::examine(config, target.clone(), clock)).await;
            let store = Member::new("store.json", STORE, store(config).await);
            let effective = Member::new(
                "config.jsonl",
                "effective configuration; secrets are masked",
                effective_lines(file)?,
            );
            (findings, effective, store, target.as_ref())
        }
        Subject::Running(fault, _) | Subject::Nothing(fault) => {
            let target = match subject {
                Subject::Running(_, target) => Some(target),
                _ => None,
            };
            let why = "not there, the configuration cannot be used (doctor.jsonl)";
            let config =
                Member::new("config.jsonl", format!("effective configuration: {why}"), String::new());
            let store = Member::new("store.json", format!("{STORE}: {why}"), String::new());
            (doctor::examine_running(fault, target).await, config, store, target)
        }
    };
    let findings = findings.iter().filter_map(|finding| serde_json::to_string(finding).ok());
    let mut members = vec![
        Member::new("version.json", "version of the program and of the system", version(clock.now())),
        config,
        Member::new("doctor.jsonl", "what `doctor` finds", lines(findings)),
        store,
    ];
    for (name, what, path) in ANSWERS {
        members.push(match asked(target, path, subject).await {
            Ok(content) => Member::new(name, what, content),
            Err(reason) => Member::new(name, format!("{what}: not there, {reason}"), String::new()),
        });
    }
    Ok(members)
}

/// The answer of the running platform, or why there is none.
async fn asked(target: Option<&Target>, path: &str, subject: &Subject) -> Result<String, String> {
    let target = target.ok_or(match subject {
        Subject::Nothing(_) => "no platform runs that could be asked",
        _ => "admin.socket is \"none\"",
    })?;
    let answer = admin_client::get(target, path).await;
    let answer = answer.map_err(|failure| format!("{:#}", failure.error))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The list of the others, with their digests.
pub(super) fn manifest(members: &[Member], now: Timestamp) -> Member {
    let mut text = format!(
        "Support bundle of pcd-platform {}, made {now:.0}.\n\n{PROMISE}\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for Member { name, what, content } in members {
        let digest = Fingerprint::sha256(content.as_bytes());
        text.push_str(&format!("{name}\n    {what}\n    {} bytes, SHA-256 {digest}\n", content.len()));
    }
    Member::new("MANIFEST.txt", "this list, with digests", text)
}

fn version(now: Timestamp) -> String {
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = rustix::system::uname();
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("PCD_COMMIT"),
        "system": system.map(|name| name.trim_matches('"')),
        "kernel": kernel.release().to_string_lossy(),
        "machine": kernel.machine().to_string_lossy(),
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "time": now.to_string(),
    });
    pretty(&value)
}

async fn store(config: &Config) -> String {
    let kind = if config.store.url.is_postgres() { "postgres" } else { "sqlite" };
    let value = match Store::plan_migration(&config.store.url).await {
        Ok(plan) => json!({
            "kind": kind,
            "migration": plan.from,
            "pending": plan.migrations.len(),
            "rows": plan.rows,
            "bytes": plan.size,
            "free-bytes": plan.free,
            "accepted-risks": plan.risks.iter().map(|risk| risk.code()).collect::<Vec<_>>(),
            "served-by": plan.serving.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "kind": kind, "error": explained(&error) }),
    };
    pretty(&value)
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

const STORE: &str = "schema of the store, and its number of rows";
/// What the running platform is asked for.
const ANSWERS: [(&str, &str, &str); 5] = [
    ("readyz.json", "whether the platform is ready", "/readyz"),
    ("status.json", "counts and findings of the platform", "/api/status"),
    ("certificates.json", "CRLs, OCSP responses and staples", "/api/certificates"),
    ("store-server.json", "risks of the store, clocks of the nodes", "/api/store"),
    ("metrics.txt", "metrics", "/metrics"),
];

const PROMISE: &str = "It holds no content of messages, no names of patients, no keys and no passwords. It names \
                       devices by\ntheir Common Names (with --redact by pseudonyms), files, \
                       hosts and accounts of operators.";
