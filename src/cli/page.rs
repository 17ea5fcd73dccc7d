//! `page`: a link by which a browser of this machine comes in.

use std::io::{self, IsTerminal as _, Write as _};

use bytes::Bytes;
use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::config_file::ConfigFile;
use super::located::{Located, Wanted};
use super::{Exit, Failure, Outcome, Output, admin_client};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(arguments: Arguments, wanted: Wanted<'_>, output: Output) -> Outcome {
    let located = Located::find(&arguments.config, wanted)?;
    located.warn();
    let target = located.required()?;
    let stream = admin_client::connect(target).await?;
    let asked =
        admin_client::exchange(stream, target.headers(), Method::POST, "/api/page-links", Bytes::new());
    let answer = tokio::select! {
        answer = asked => answer?,
        silent = admin_client::silence(target) => return Err(silent),
    };
    let link: Value = serde_json::from_slice(&answer)
        .map_err(|error| Failure::new(Exit::Fault, anyhow::Error::new(error).context("/api/page-links")))?;
    output.print(&link, |link| {
        let url = link.get("url").and_then(Value::as_str).unwrap_or_default();
        url.to_owned()
    })?;
    let hint = "open it within a minute; it counts once, for a browser of this account on this machine";
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "{hint}");
    }
    Ok(Exit::Done)
}
