//! `doctor`: what `check` finds, and what only a look from outside shows: sources of revocation data, the
//! disk and the database, ports, limits of the process, and the findings of the running platform.

mod disk;
mod limits;
mod ports;
mod running;
mod sources;

use serde::Serialize;

use super::admin_client::Target;
use super::check;
use super::check_finding::{Finding, Level};
use super::config_file::ConfigFile;
use super::located::{Located, Wanted};
use super::{Exit, Failure, Outcome, Output};
use crate::config::{Config, ConfigError};
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

pub(super) async fn run(file: ConfigFile, wanted: Wanted<'_>, output: Output, clock: Clock) -> Outcome {
    let findings = match subject(&file, wanted)? {
        Subject::Whole(config, target) => examine(&config, target, &clock).await,
        Subject::Running(fault, target) => examine_running(&fault, Some(&target)).await,
        Subject::Nothing(fault) => return Err(Failure::new(Exit::Config, fault)),
    };
    for finding in &findings {
        let own = finding.next_step.clone();
        let to_do = own.or_else(|| finding.code.filter(|_| finding.level != Level::Ok).and_then(next_step));
        output.print(&Line { finding, to_do }, |line| shown(line, output))?;
    }
    Ok(match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Error) => Exit::Urgent,
        Some(Level::Warning) => Exit::Failed,
        _ => Exit::Done,
    })
}

/// What can be looked at.
pub(super) enum Subject {
    /// Everything that the configuration names, and the platform, if it has a socket.
    Whole(Box<Config>, Option<Target>),
    /// The running platform alone: the configuration cannot be used.
    Running(ConfigError, Target),
    /// Neither: the configuration cannot be used, and no platform runs that could be asked.
    Nothing(ConfigError),
}

/// What can be looked at with this file.
///
/// # Errors
/// When what the command line names cannot be used.
pub(super) fn subject(file: &ConfigFile, wanted: Wanted<'_>) -> Result<Subject, Failure> {
    let located = match Located::find(file, wanted) {
        Ok(located) => located,
        Err(failure) => {
            return file.try_load().map_or_else(|fault| Ok(Subject::Nothing(fault)), |_| Err(failure));
        }
    };
    match (file.try_load(), located.target) {
        (Ok(config), target) => Ok(Subject::Whole(Box::new(config), target)),
        (Err(error), Some(target)) => Ok(Subject::Running(error, target)),
        (Err(error), None) => Ok(Subject::Nothing(error)),
    }
}

/// What is found without a configuration.
pub(super) async fn examine_running(fault: &ConfigError, target: Option<&Target>) -> Vec<Finding> {
    let what =
        target.map_or("no platform runs that could be asked", |_| "only the running platform is looked at");
    let text = format!("{}; {what}", fault.in_one_line());
    let mut findings = vec![Finding::error("configuration", fault.code().code(), text)];
    findings.extend(running::ask(target).await.findings);
    findings
}

/// Everything that is found, each fact once.
pub(super) async fn examine(config: &Config, target: Option<Target>, clock: &Clock) -> Vec<Finding> {
    let (mut findings, found) = Box::pin(check::look(config, clock)).await;
    findings.extend(Box::pin(sources::look(config, &found, clock)).await);
    findings.extend(disk::look(config, clock).await);
    let platform = running::look(config, target.as_ref()).await;
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
    let Finding { level, what, detail, code, .. } = line.finding;
    let mut text = format!("{:8} {what}: {}", level.word(), output.sentence(detail));
    if let Some(to_do) = &line.to_do {
        text.push_str(&format!("\n         to do: {to_do}"));
    }
    if let Some(code) = code.filter(|_| *level != Level::Ok) {
        text.push_str(&format!("\n         pcd-platform help {code}"));
    }
    text
}
