//! `help`: the page of a code, or the usage of a command.

use clap::Args;
use serde::Serialize;

use super::{Exit, Failure, Outcome, Output};
use crate::finding::{HelpPage, alert_help, answered, help, help_pages};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A code, such as `unknown-device`, the name of an alert, or the words of a command; without any, every
    /// code in one line
    topic: Vec<String>,
}

/// A help page as JSON.
#[derive(Debug, Serialize)]
struct PageView {
    code: &'static str,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
}

/// What a code means that the listener for hospital systems answers, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct AnsweredView<'a> {
    code: &'a str,
    status: &'static str,
    what_to_do: &'static str,
    page: &'static str,
}

/// `usage` is the whole command line.
pub(super) fn run(arguments: Arguments, mut usage: clap::Command, output: Output) -> Outcome {
    let topic: Vec<_> = arguments.topic.iter().map(String::as_str).collect();
    if let [code] = topic[..]
        && explain(code, output)?
    {
        return Ok(Exit::Done);
    }
    if topic.is_empty() {
        for page in help_pages() {
            output.print(&summary(page), |page| format!("{:40} {}", page.code, page.summary))?;
        }
        return Ok(Exit::Done);
    }
    usage.build();
    let mut found = &mut usage;
    for word in &topic {
        let Some(next) = found.find_subcommand_mut(word) else {
            return Err(Failure::new(Exit::Usage, unknown(&topic)));
        };
        found = next;
    }
    output.line(found.render_long_help().to_string().trim_end())?;
    Ok(Exit::Done)
}

/// Prints what there is about a code. Returns whether there is something.
fn explain(code: &str, output: Output) -> Result<bool, Failure> {
    let page = help(code).or_else(|| alert_help(code));
    if let Some(page) = page {
        output.print(&PageView { text: Some(page.text), ..summary(page) }, |_| {
            page.text.trim_end().to_owned()
        })?;
    }
    let mut is_known = page.is_some();
    for row in answered(code) {
        let (status, what_to_do, page) = (row.status, row.what_to_do, row.page);
        output.print(&AnsweredView { code, status, what_to_do, page }, |_| {
            let space = if is_known { "\n" } else { "" };
            format!("{space}{code}, in an answer with status {status} to a hospital system:\n{what_to_do}\n({page})")
        })?;
        is_known = true;
    }
    Ok(is_known)
}

fn summary(page: &HelpPage) -> PageView {
    PageView { code: page.code, summary: page.summary().replace('\n', " "), text: None }
}

fn unknown(topic: &[&str]) -> anyhow::Error {
    let asked = topic.join(" ");
    anyhow::anyhow!(
        "there is no code and no command {asked:?}; `pcd-platform help` lists the codes, --help the commands"
    )
}
