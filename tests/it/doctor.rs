//! `doctor`: what only a look from outside shows, with a code, a sentence and what to do.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Cli, OpensslOcsp, Server, Site, fixed_address};

/// The lines of `doctor`, and its exit code.
fn examined(cli: &Cli) -> (Vec<Value>, i32) {
    let (exit, printed, complaint) = cli.try_run(&["doctor", "--json"]);
    assert!(complaint.is_empty(), "{complaint}");
    (printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), exit.code().unwrap())
}

/// The one line about `what` whose detail contains `part`.
fn line<'a>(lines: &'a [Value], what: &str, part: &str) -> &'a Value {
    let fits = |line: &&Value| {
        line["what"] == what && line["detail"].as_str().is_some_and(|text| text.contains(part))
    };
    let found: Vec<_> = lines.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{what} {part}: {lines:#?}");
    found[0]
}

#[test]
fn doctor_asks_responders_ports_disk_and_database_of_a_running_platform() {
    let (address, silent) = (fixed_address(), fixed_address());
    let responder = format!("http://{silent}/ocsp");
    let site = Site::new()
        .with("interface-a", &format!("listen = [\"{address}\"]"))
        .with("revocation", &format!("fallback-responder = \"{responder}\""));
    let platform = site.start();
    let (lines, exit) = examined(platform.cli());
    assert!([1, 2].contains(&exit), "{lines:#?}");

    let unreachable = line(&lines, "responder", &responder);
    assert_eq!(
        (&unreachable["level"], &unreachable["code"]),
        (&"warning".into(), &"responder-unreachable".into())
    );
    assert!(
        unreachable["what-to-do"].as_str().unwrap().starts_with("Make the host reachable"),
        "{unreachable}"
    );
    let port = line(&lines, "port", &format!("{address} accepts connections"));
    assert_eq!(port["level"], "ok");
    line(&lines, "platform", "it runs");
    line(&lines, "database", "a round trip takes");
    line(&lines, "disk", "a synchronised write takes");
    line(&lines, "disk", "free at the store");
    line(&lines, "limits", "the hard limit of open files of the platform");
    assert!(lines.iter().any(|line| line["what"] == "clock"), "{lines:#?}");
    // Each line that asks for something has a code, with a page, and a next step.
    for found in lines.iter().filter(|line| line["level"] != "ok") {
        assert!(found["code"].is_string() && found["what-to-do"].is_string(), "{found}");
        platform.cli().run(&["help", found["code"].as_str().unwrap()]);
    }
    let left = std::fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("doctor")).collect();
    assert!(left.is_empty(), "{left:?}");

    let cli = Cli::without_store(&site);
    platform.stop();
    let (lines, _) = examined(&cli);
    line(&lines, "platform", "none runs");
    line(&lines, "port", &format!("{address} (interface-a.listen) is free"));
    let taken = TcpListener::bind(address).unwrap();
    let (lines, exit) = examined(&cli);
    assert_eq!(line(&lines, "port", "is in use")["code"], "address-in-use");
    assert!(exit > 0, "{exit}");
    drop(taken);
    let (_, text, _) = cli.try_run(&["doctor"]);
    assert!(text.contains("\n         to do: Make the host reachable"), "{text}");
    assert!(text.contains("\n         pcd-platform help responder-unreachable\n"), "{text}");
}

// An `openssl ocsp` ends at a request that holds no question, and a page of a web server is no answer.
#[test]
fn a9_1_doctor_asks_a_responder_a_question_that_it_understands() {
    let site = Site::new();
    let mut openssl = OpensslOcsp::new(site.path(), None);
    openssl.know(&site.certificate("PUMP", KeyType::Ecc));
    let site = site.with("revocation", &format!("fallback-responder = \"{}\"", openssl.url()));
    let cli = Cli::without_store(&site);
    for round in 0..3 {
        let (lines, _) = examined(&cli);
        let found = line(&lines, "responder", &openssl.url());
        assert_eq!(found["level"], "ok", "{round}: {found}");
    }
    let pages = Server::start(Duration::ZERO, Arc::new(|_| Some(b"<html>It works!</html>".to_vec())));
    let nothing = Server::start(Duration::ZERO, Arc::new(|_| None));
    for (url, part) in [(pages.url("ocsp"), "is no OCSP response"), (nothing.url("ocsp"), "does not answer")]
    {
        let site = Site::new().with("revocation", &format!("fallback-responder = \"{url}\""));
        let (lines, _) = examined(&Cli::without_store(&site));
        let found = line(&lines, "responder", &url);
        assert_eq!((&found["level"], &found["code"]), (&"warning".into(), &"responder-unreachable".into()));
        assert!(found["detail"].as_str().unwrap().contains(part), "{found}");
    }
}

#[test]
fn doctor_names_a_configuration_that_cannot_be_used() {
    let site = Site::new().with("interface-a", "max-connections = 0");
    let (exit, printed, complaint) = Cli::without_store(&site).try_run(&["doctor"]);
    assert_eq!((exit.code(), printed.as_str()), (Some(78), ""), "{complaint}");
    assert!(complaint.contains("max-connections"), "{complaint}");
}
