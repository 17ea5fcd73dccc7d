//! The platform that runs: its process, its findings, and whether it is the only one.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::admin_client::{self, ANOTHER_STORE, Target};
use crate::cli::check_finding::{Finding, Level};
use crate::config::Config;
use crate::finding::{Code, SetupCode};
use crate::store::{Holder, Store};

/// What is known about the platform that runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) is_running: bool,
    /// Its process, where this one sees it.
    pub(super) pid: Option<u32>,
    pub(super) findings: Vec<Finding>,
}

/// A finding as the API has it.
#[derive(Debug, Deserialize)]
struct Present {
    code: String,
    severity: String,
    subject: String,
    name: Option<String>,
    what: String,
    #[serde(default)]
    facts: Option<Value>,
}

pub(super) async fn look(config: &Config, target: Option<&Target>) -> Running {
    let mut running = ask(target).await;
    let serving = Store::plan_migration(&config.store.url).await.map(|plan| plan.serving);
    let others = serving.unwrap_or_default().into_iter().filter(|holder| {
        holder.node == config.store.node && holder.is_here() && Some(holder.pid) != running.pid
    });
    running.findings.extend(others.filter_map(|holder| other(&holder, running.pid)).collect::<Vec<_>>());
    running
}

/// What the platform that serves the socket says of itself.
pub(super) async fn ask(target: Option<&Target>) -> Running {
    let mut running = Running::default();
    let Some(target) = target else { return running };
    match admin_client::connect(target).await {
        Ok(stream) => {
            running.is_running = true;
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
            running.pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
            drop(stream);
            running.findings = match admin_client::get(target, "/api/findings").await {
                Ok(body) => findings(&body),
                Err(failure) if admin_client::is_another_store(&failure) => {
                    let text = format!("its findings are not asked for: {:#}", failure.error);
                    vec![Finding::error("platform", ANOTHER_STORE, text)]
                }
                Err(failure) => vec![unreachable(failure.error.to_string())],
            };
        }
        Err(failure) if target.socket.exists() => {
            running.findings.push(unreachable(failure.error.to_string()));
        }
        Err(_) => {
            let text = format!("none runs: nothing serves {}", target.socket.display());
            running.findings.push(Finding::ok("platform", text));
        }
    }
    running
}

/// A process that serves the node of this configuration and is not the one that answers on the socket.
fn other(holder: &Holder, pid: Option<u32>) -> Option<Finding> {
    let pid = pid?;
    let text = format!(
        "node {} is served by {holder}, and the platform that answers on the socket is pid {pid}",
        holder.node
    );
    Some(Finding::error("platform", SetupCode::SecondInstance.code(), text))
}

fn unreachable(text: String) -> Finding {
    Finding::warning("platform", SetupCode::SocketUnreachable.code(), text)
}

/// The findings of the running platform; those of a later version that are not known here have no code.
fn findings(body: &[u8]) -> Vec<Finding> {
    let Ok(present) = serde_json::from_slice::<Vec<Present>>(body) else {
        return vec![unreachable("the answer of the platform cannot be read".to_owned())];
    };
    let mut findings = vec![Finding::ok("platform", format!("it runs, with {} findings", present.len()))];
    findings.extend(present.into_iter().map(|of| {
        let level = match of.severity.as_str() {
            "urgent" => Level::Error,
            "attention" => Level::Warning,
            _ => Level::Ok,
        };
        let code = Code::ALL.iter().map(|code| code.code()).find(|code| *code == of.code);
        let subject = of.subject.replace('-', " ");
        let name = of.name.map(|name| format!(" {name}")).unwrap_or_default();
        let detail = format!("{subject}{name}: {}", of.what);
        Finding { level, what: "platform", detail, code, facts: of.facts, next_step: None }
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_that_serves_the_node_is_found() {
        let holder = Holder { node: "ward-7".parse().unwrap(), host: "here".to_owned(), pid: 4711 };
        let found = other(&holder, Some(4712)).unwrap();
        assert_eq!((found.level, found.code), (Level::Error, Some("second-instance")));
        assert!(other(&holder, None).is_none(), "a platform whose process is not seen");
    }

    #[test]
    fn findings_of_the_platform_have_their_level_and_code() {
        let body = br#"[{"code":"device-silent","severity":"urgent","subject":"device","name":"A","what":"it has stopped",
            "facts":{"seconds":9}},
            {"code":"of-a-later-version","severity":"attention","subject":"audit-trail","what":"x"}]"#;
        let found = findings(body);
        assert_eq!((found[1].level, found[1].code), (Level::Error, Some("device-silent")));
        assert_eq!(found[1].detail, "device A: it has stopped");
        assert_eq!(found[1].facts, Some(serde_json::json!({"seconds": 9})));
        assert_eq!((found[2].level, found[2].code), (Level::Warning, None));
        assert_eq!(findings(b"?").len(), 1);
    }
}
