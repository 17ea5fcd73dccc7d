//! `status`: the running platform at a glance.

use std::net::SocketAddr;

use clap::Args;
use serde_json::Value;

use super::config_file::ConfigFile;
use super::{Exit, Failure, Outcome, Output, admin_client};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The address of the admin listener; default: `admin.listen` of the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: Option<SocketAddr>,
    /// `text`, or `nagios` for monitoring systems that run plugins: one line, and exit 0, 1, 2 or 3
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Nagios,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> Outcome {
    let listen = match arguments.at {
        Some(at) => at,
        None => arguments.config.load()?.admin.listen,
    };
    let answer = match admin_client::get(listen, "/api/status").await {
        Ok(answer) => answer,
        Err(Failure { error, .. }) if arguments.format == Format::Nagios => {
            output.line(&format!("UNKNOWN - {error:#}"))?;
            return Ok(Exit::Unknown);
        }
        Err(failure) => return Err(failure),
    };
    let status: Value = serde_json::from_slice(&answer)
        .map_err(|error| Failure::new(Exit::Fault, anyhow::Error::new(error).context("/api/status")))?;
    let exit = match text(&status, "worst") {
        "urgent" => Exit::Urgent,
        "attention" => Exit::Failed,
        _ => Exit::Done,
    };
    match arguments.format {
        Format::Text => output.print(&status, shown)?,
        Format::Nagios => output.line(&nagios(&status))?,
    }
    Ok(exit)
}

/// A few lines for people.
fn shown(status: &Value) -> String {
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut lines = vec![
        format!(
            "pcd-platform {} on node {}, since {}",
            text(status, "version"),
            text(status, "node"),
            text(status, "started")
        ),
        format!(
            "devices: {} in the directory, {} active, {} connected with {} sessions, {} silent",
            number("devices"),
            number("active"),
            number("connected"),
            number("sessions"),
            number("silent")
        ),
    ];
    let findings = findings(status);
    if findings.is_empty() {
        lines.push("nothing needs a person".to_owned());
    }
    for finding in findings.iter().take(MAX_FINDINGS) {
        let name =
            finding.get("name").and_then(Value::as_str).map(|name| format!(" {name}")).unwrap_or_default();
        let subject = text(finding, "subject").replace('-', " ");
        lines.push(String::new());
        lines.push(format!("{:9} {subject}{name}: {}", text(finding, "severity"), text(finding, "what")));
        lines.push(format!(
            "          since {}; to do: {}",
            text(finding, "since"),
            text(finding, "what-to-do")
        ));
        lines.push(format!("          pcd-platform help {}", text(finding, "code")));
    }
    if findings.len() > MAX_FINDINGS {
        lines.push(format!("\nand {} more: --json lists all", findings.len() - MAX_FINDINGS));
    }
    lines.join("\n")
}

/// One line for a plugin of Nagios: state, counts, the first findings.
fn nagios(status: &Value) -> String {
    let state = match text(status, "worst") {
        "urgent" => "CRITICAL",
        "attention" => "WARNING",
        _ => "OK",
    };
    let findings = findings(status);
    let codes: Vec<_> = findings.iter().take(3).map(|finding| text(finding, "code")).collect();
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
    let counts =
        format!("connected={} silent={} findings={}", number("connected"), number("silent"), findings.len());
    let which = if codes.is_empty() { "nothing needs a person".to_owned() } else { codes.join(", ") };
    format!("{state} - {which} | {counts}")
}

fn findings(status: &Value) -> &[Value] {
    status.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Findings in the text.
const MAX_FINDINGS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_lines_for_people_and_one_line_for_a_plugin() {
        let finding = json!({"code": "device-silent", "severity": "urgent", "subject": "device", "name": "PUMP",
            "what": "it has sent nothing for 9 min", "what-to-do": "look at the device", "since": "2026-11-28T09:00:00Z"});
        let status = json!({"version": "1", "node": "n", "started": "t", "devices": 3, "active": 3, "connected": 2,
            "sessions": 2, "silent": 1, "worst": "urgent", "findings": [finding]});
        let lines = shown(&status);
        assert!(lines.contains("urgent    device PUMP: it has sent nothing for 9 min\n"), "{lines}");
        assert!(lines.ends_with("pcd-platform help device-silent"), "{lines}");
        assert_eq!(nagios(&status), "CRITICAL - device-silent | connected=2 silent=1 findings=1");
        let well = json!({"worst": null, "findings": []});
        assert_eq!(nagios(&well), "OK - nothing needs a person | connected=0 silent=0 findings=0");
        assert!(shown(&well).ends_with("nothing needs a person"));
    }
}
