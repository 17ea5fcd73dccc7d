//! `doctor`: what `check` finds, and what only a look from outside shows: sources of revocation data, the
//! disk and the database, ports, limits of the process, and the findings of the running platform.

mod disk;
mod limits;
mod ports;
mod running;
mod sources;

use std::path::PathBuf;

use serde::Serialize;

use super::check;
use super::check_finding::{Finding, Level};
use super::config_file::ConfigFile;
use super::{Exit, Outcome, Output};
use crate::config::Config;
use crate::finding::next_step;
use crate::model::Clock;

/// A line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    /// What an operator does about it.
    #[serde(rename = "what-to-do", skip_serializing_if = "Option::is_none")]
    to_do: Option<String>,
}

pub(super) async fn run(file: ConfigFile, socket: Option<PathBuf>, output: Output, clock: Clock) -> Outcome {
    let config = file.load()?;
    let socket = match socket {
        Some(named) => Some(named),
        None => file.configured_socket()?,
    };
    let findings = examine(&config, socket, &clock).await;
    for finding in &findings {
        let to_do = finding.code.filter(|_| finding.level != Level::Ok).and_then(next_step);
        output.print(&Line { finding, to_do }, |line| shown(line, output))?;
    }
    Ok(match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Error) => Exit::Urgent,
        Some(Level::Warning) => Exit::Failed,
        _ => Exit::Done,
    })
}

/// Everything that is found, each fact once.
pub(super) async fn examine(config: &Config, socket: Option<PathBuf>, clock: &Clock) -> Vec<Finding> {
    let (mut findings, found) = Box::pin(check::look(config, clock)).await;
    findings.extend(Box::pin(sources::look(config, &found, clock)).await);
    findings.extend(disk::look(config, clock).await);
    let platform = running::look(config, socket).await;
    findings.extend(ports::look(config, platform.is_running).await);
    findings.extend(limits::look(config, platform.pid));
    for finding in platform.findings {
        // `check` has found the same.
        if !findings.iter().any(|known| known.code == finding.code && finding.detail.ends_with(&known.detail))
        {
            findings.push(finding);
        }
    }
    findings
}

fn shown(line: &Line<'_>, output: Output) -> String {
    let Finding { level, what, detail, code } = line.finding;
    let mut text = format!("{:8} {what}: {}", level.word(), output.sentence(detail));
    if let Some(to_do) = &line.to_do {
        text.push_str(&format!("\n         to do: {to_do}"));
    }
    if let Some(code) = code.filter(|_| *level != Level::Ok) {
        text.push_str(&format!("\n         pcd-platform help {code}"));
    }
    text
}
