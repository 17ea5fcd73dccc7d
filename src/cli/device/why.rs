//! `device why`: how far a device gets, from TCP to messages, and what to do.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::app::{examine_chain, read_withdrawn};
use crate::authz::Directory;
use crate::cli::context::failed;
use crate::cli::{Exit, Failure, Outcome, Output, input};
use crate::config::Config;
use crate::fleet::{Subject, investigate, of_chain};
use crate::model::Clock;
use crate::store::Store;
use crate::view::WhyView;
use crate::x509::pem;

/// What is asked about.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Asked {
    /// The Common Name of a certificate, or an IP address
    #[arg(value_name = "CN|ADDRESS")]
    subject: Option<Subject>,
    /// Decide about the certificates in this file as the listener would: the device's first, then its CAs
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

pub(super) async fn run(asked: Asked, config: Config, store: &Store, output: Output) -> Outcome {
    let view = match (asked.subject, asked.chain) {
        (_, Some(file)) => examined(&file, &config, store).await?,
        (Some(subject), None) => found(&subject, store).await?,
        (None, None) => {
            return Err(Failure::new(Exit::Usage, anyhow::anyhow!("name a device, an address or a file")));
        }
    };
    output.print(&view, |why| output.sentence(&shown(why)))?;
    Ok(if view.get("well") == Some(&Value::Bool(true)) { Exit::Done } else { Exit::Failed })
}

/// By what the store knows, which a running platform has written some seconds ago.
async fn found(subject: &Subject, store: &Store) -> Result<Value, Failure> {
    let why = investigate(store, subject, None, store.now()).await.map_err(failed)?;
    view(&WhyView::from(&why))
}

async fn examined(file: &Path, config: &Config, store: &Store) -> Result<Value, Failure> {
    let unusable = || format!("cannot use {}", file.display());
    let contents = input::read(file).with_context(unusable)?;
    let chain = pem::certificates(&contents).with_context(unusable)?;
    let directory = Directory::from(store.devices().await.map_err(failed)?);
    let withdrawn = read_withdrawn(store).await.map_err(failed)?;
    let examined = examine_chain(config, directory, withdrawn, chain, &Clock::system());
    let examined = examined.map_err(|error| Failure::new(Exit::Config, error))?;
    view(&WhyView::from(&of_chain(&file.display().to_string(), examined)))
}

fn view(view: &WhyView<'_>) -> Result<Value, Failure> {
    serde_json::to_value(view).map_err(|error| Failure::new(Exit::Fault, error))
}

fn shown(why: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{}: {}", text(why, "subject"), text(why, "cause"))];
    for step in why["steps"].as_array().into_iter().flatten() {
        let mark = match step["outcome"].as_str() {
            Some("passed") => '✓',
            Some("failed") => '✗',
            _ => '·',
        };
        let line = format!("  {mark} {:<10}  {}", text(step, "stage"), text(step, "what"));
        lines.push(line.trim_end().to_owned());
    }
    if let Some(step) = why["next-step"].as_str() {
        lines.push(format!("to do: {step}"));
    }
    if let Some(code) = why["code"].as_str() {
        lines.push(format!("more: pcd-platform help {code}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_is_shown_with_marks_and_the_next_step() {
        let why = json!({"subject": "PUMP", "cause": "certificate ended", "code": "expired", "next-step": "a new one",
            "steps": [{"stage": "tcp", "outcome": "passed", "what": "192.0.2.7:1"},
                {"stage": "dates", "outcome": "failed", "what": "ended"},
                {"stage": "messages", "outcome": "unknown", "what": ""}]});
        assert_eq!(
            shown(&why),
            "PUMP: certificate ended\n  ✓ tcp         192.0.2.7:1\n  ✗ dates       ended\n  · messages\n\
             to do: a new one\nmore: pcd-platform help expired"
        );
    }
}
