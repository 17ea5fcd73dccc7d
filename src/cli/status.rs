//! `status`: the running platform at a glance.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_client::Target;
use super::config_file::ConfigFile;
use super::located::{Located, Wanted};
use super::text::counted;
use super::{Exit, Failure, Outcome, Output, admin_client};
use crate::config::ConfigError;
use crate::finding::{foremost, next_step};
use crate::fleet::DeviceState;
use crate::model::{Clock, size_text};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The socket of the platform; default: `admin.socket` of the configuration
    #[arg(long, value_name = "SOCKET")]
    at: Option<PathBuf>,
    /// Only the devices and findings of this ward; the exit code is that of its findings
    #[arg(long, value_name = "WARD")]
    ward: Option<String>,
    /// `text`, or `nagios` for monitoring systems that run plugins: one line, and exit 0, 1, 2 or 3
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    format: Format,
    /// Only ask whether the platform is ready, as a probe does: exit 0, otherwise 69 with what it lacks
    #[arg(long, conflicts_with = "format")]
    ready: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Nagios,
}

pub(super) async fn run(arguments: Arguments, wanted: Wanted<'_>, output: Output, clock: &Clock) -> Outcome {
    let is_plugin = arguments.format == Format::Nagios && !arguments.ready;
    match show(arguments, wanted, output, clock).await {
        // A monitoring system shows what stands on stdout.
        Err(Failure { error, .. }) if is_plugin => {
            output.line(&format!("UNKNOWN - {error:#}"))?;
            Ok(Exit::Unknown)
        }
        shown => shown,
    }
}

async fn show(arguments: Arguments, wanted: Wanted<'_>, output: Output, clock: &Clock) -> Outcome {
    let wanted = Wanted { socket: arguments.at.as_deref().or(wanted.socket), ..wanted };
    let located = Located::find(&arguments.config, wanted)?;
    let target = located.required()?;
    if arguments.ready {
        admin_client::get(&target.whichever_store(), "/readyz").await?;
        output.line("ready")?;
        return Ok(Exit::Done);
    }
    let path = match &arguments.ward {
        Some(ward) => format!("/api/status?ward={}", encoded(ward)),
        None => "/api/status".to_owned(),
    };
    let answer = ask(target, &path, output).await?;
    let read = serde_json::from_slice(&answer).map_err(anyhow::Error::new);
    let read = read.map(|status| with_fault(status, located.fault.as_ref(), clock.now()));
    let status = read.and_then(|status| exit(&status).map(|exit| (status, exit)));
    let (status, exit) = status.map_err(|error| Failure::new(Exit::Fault, error.context("/api/status")))?;
    match arguments.format {
        Format::Text => output.print(&status, |status| output.sentence(&shown(status)))?,
        Format::Nagios => output.line(&output.sentence(&nagios(&status)))?,
    }
    Ok(exit)
}

/// The status, with a warning where the configuration of this command means another store: it only looks.
async fn ask(target: &Target, path: &str, output: Output) -> Result<Bytes, Failure> {
    match admin_client::get(target, path).await {
        Err(failure) if admin_client::is_another_store(&failure) => {
            output.warn(&format!("this is the status of the running platform: {:#}", failure.error))?;
            admin_client::get(&target.whichever_store(), path).await
        }
        asked => asked,
    }
}

/// The status with the finding that the configuration, as this command reads it, cannot be used: a reload
/// would be refused, and the platform would not start again.
fn with_fault(mut status: Value, fault: Option<&ConfigError>, now: Timestamp) -> Value {
    let (Some(fault), Some(object)) = (fault, status.as_object_mut()) else { return status };
    let code = fault.code().code();
    let finding = json!({
        "code": code,
        "severity": "attention",
        "subject": "configuration",
        "what": format!("{}; the running platform goes on with what it has read", fault.in_one_line()),
        "what-to-do": next_step(code).unwrap_or_default(),
        "since": format!("{now:.0}"),
        "help": format!("/help/{code}"),
    });
    if let Some(findings) = object.get_mut("findings").and_then(Value::as_array_mut) {
        let is_urgent = |finding: &Value| text(finding, "severity") == "urgent";
        let at = findings.iter().take_while(|finding| is_urgent(finding)).count();
        findings.insert(at, finding);
    }
    if object.get("worst").is_some_and(|worst| worst.is_null() || worst == "info") {
        object.insert("worst".to_owned(), "attention".into());
    }
    status
}

/// The exit code. What is no status of a platform says nothing: it must not look as if all were well.
fn exit(status: &Value) -> anyhow::Result<Exit> {
    let is_status = status.get("version").is_some_and(Value::is_string)
        && status.get("findings").is_some_and(Value::is_array);
    match status.get("worst") {
        Some(Value::Null) if is_status => Ok(Exit::Done),
        Some(Value::String(worst)) if is_status => match worst.as_str() {
            "urgent" => Ok(Exit::Urgent),
            "attention" => Ok(Exit::Failed),
            "info" => Ok(Exit::Done),
            other => anyhow::bail!(
                "the answer has the unknown severity {other:?}: use the program of the platform"
            ),
        },
        _ => anyhow::bail!("what answers is no platform of this version: look who made the socket"),
    }
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
            "devices: {} in the directory, {} active, {} connected with {}, {} silent",
            number("devices"),
            number("active"),
            number("connected"),
            counted(number("sessions"), "session"),
            number("silent")
        ),
    ];
    if let Some(ward) = status.get("ward").and_then(Value::as_str) {
        lines.push(of_ward(ward, status));
    }
    lines.extend(status.get("store").map(room));
    let findings = findings(status);
    if findings.is_empty() {
        lines.push("nothing needs a person".to_owned());
    }
    let kind = |finding: &Value| (text(finding, "severity").to_owned(), text(finding, "code").to_owned());
    for finding in foremost(findings, MAX_FINDINGS, kind) {
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

/// The devices of a ward by state, those that need a person first.
fn of_ward(ward: &str, status: &Value) -> String {
    let states = status.get("states");
    let count =
        |state: &str| states.and_then(|states| states.get(state)).and_then(Value::as_u64).unwrap_or(0);
    let some: Vec<_> = DeviceState::ALL
        .into_iter()
        .map(|state| (state.code(), count(state.code())))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    format!("ward {ward}: {}", some.join(", "))
}

/// A text in a query (RFC 3986 2.1).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The store and its disk.
fn room(store: &Value) -> String {
    let number = |key: &str| store.get(key).and_then(Value::as_u64);
    let size = |key: &str| number(key).map(size_text).unwrap_or_default();
    let free = number("free-bytes")
        .map(|_| format!("; {} of {} free", size("free-bytes"), size("disk-bytes")))
        .unwrap_or_default();
    let minutes = number("measured-seconds").unwrap_or(3600) / 60;
    let full = match (number("bytes-per-day"), store.get("full-at").and_then(Value::as_str)) {
        (Some(_), Some(at)) => format!(
            "; {} a day at the rate of the last {minutes} min, the store {} of it: full at {at}",
            size("bytes-per-day"),
            size("store-bytes-per-day")
        ),
        (Some(_), None) => format!("; at the rate of the last {minutes} min it does not fill"),
        (None, _) => String::new(),
    };
    format!("store: {}{free}{full}", size("size-bytes"))
}

/// One line for a plugin of Nagios: state, counts, the first findings.
fn nagios(status: &Value) -> String {
    let state = match text(status, "worst") {
        "urgent" => "CRITICAL",
        "attention" => "WARNING",
        _ => "OK",
    };
    let findings = findings(status);
    // Each code once, by its first finding: many of one code hide no other.
    let mut codes: Vec<(&str, &str, usize)> = Vec::new();
    for finding in findings {
        let code = text(finding, "code");
        match codes.iter_mut().find(|(known, ..)| *known == code) {
            Some((.., more)) => *more += 1,
            None => codes.push((code, text(finding, "name"), 0)),
        }
    }
    let named = |(code, name, more): &(&str, &str, usize)| {
        let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
        // A bar begins the counts.
        format!("{}{more}", format!("{code} {name}").trim()).replace('|', "/")
    };
    let codes: Vec<_> = codes.iter().take(MAX_CODES).map(named).collect();
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

/// Codes in the line of a plugin.
const MAX_CODES: usize = 5;
/// Findings in the text.
const MAX_FINDINGS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_status_is_an_error() {
        let known = |worst: Value| json!({"version": "1", "findings": [], "worst": worst});
        assert_eq!(exit(&known(Value::Null)).unwrap(), Exit::Done);
        assert_eq!(exit(&known("urgent".into())).unwrap(), Exit::Urgent);
        for other in [json!({"fake": 1}), json!([]), known("dire".into()), known(1.into())] {
            assert!(exit(&other).is_err(), "{other}");
        }
        // Each part counts: a status without its findings is not one without any.
        for part in ["version", "findings", "worst"] {
            let mut other = known(Value::Null);
            other.as_object_mut().unwrap().remove(part);
            assert!(exit(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_status_is_lines_for_people_and_one_line_for_a_plugin() {
        let finding = json!({"code": "device-silent", "severity": "urgent", "subject": "device", "name": "PUMP",
            "what": "it has sent nothing for 9 min", "what-to-do": "look at the device", "since": "2026-11-28T09:00:00Z"});
        let status = json!({"version": "1", "node": "n", "started": "t", "devices": 3, "active": 3, "connected": 2,
            "sessions": 2, "silent": 1, "worst": "urgent", "findings": [finding]});
        let lines = shown(&status);
        assert!(lines.contains("urgent    device PUMP: it has sent nothing for 9 min\n"), "{lines}");
        assert!(lines.ends_with("pcd-platform help device-silent"), "{lines}");
        assert_eq!(nagios(&status), "CRITICAL - device-silent PUMP | connected=2 silent=1 findings=1");
        let of = |code: &str, name: &str| json!({"code": code, "name": name});
        let many = [
            of("order-failed", "1"),
            of("order-failed", "2"),
            of("order-failed", "3"),
            of("platform-unreachable", ""),
        ];
        let many = json!({"worst": "urgent", "findings": many});
        let expected =
            "CRITICAL - order-failed 1 (and 2 more), platform-unreachable | connected=0 silent=0 findings=4";
        assert_eq!(nagios(&many), expected);
        let room = json!({"size-bytes": 36 << 20, "free-bytes": 4_u64 << 30, "disk-bytes": 9_u64 << 30,
            "bytes-per-day": 1 << 20, "store-bytes-per-day": 1024, "measured-seconds": 1200,
            "full-at": "2031-01-01T00:00:00Z"});
        let expected = "store: 36 MiB; 4.0 GiB of 9.0 GiB free; 1.0 MiB a day at the rate of the last 20 min, the store \
                        1.0 KiB of it: full at 2031-01-01T00:00:00Z";
        assert_eq!(super::room(&room), expected);
        assert_eq!(super::room(&json!({"size-bytes": 36 << 20})), "store: 36 MiB");
        let ward = json!({"ward": "2 East", "states": {"sends": 3, "silent": 1, "left": 0}, "findings": []});
        assert!(shown(&ward).contains("\nward 2 East: 1 silent, 3 sends\n"), "{}", shown(&ward));
        assert_eq!(encoded("2 Süd&x"), "2%20S%C3%BCd%26x");
        let well = json!({"worst": null, "findings": []});
        assert_eq!(nagios(&well), "OK - nothing needs a person | connected=0 silent=0 findings=0");
        assert!(shown(&well).ends_with("nothing needs a person"));
    }
}
