//! `doctor`: what only a look from outside shows, with a code, a sentence and what to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, KeyType, TestPki};
use serde_json::Value;

use crate::harness::{
    Cli, FaultyDisk, OpensslOcsp, Server, Site, binary, fixed_address, on_a_network_of_its_own, pki, program,
};

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

/// The lines of `doctor` that are not in order; the clock and the limits are those of the machine.
fn complaints(config: &Path) -> Vec<Value> {
    let examined = binary().args(["--json", "doctor", "--config"]).arg(config).output().unwrap();
    let lines = String::from_utf8(examined.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["level"] != "ok" && line["what"] != "clock" && line["what"] != "limits")
        .collect()
}

// The ports are those of the configuration that `init` writes, so the test has a network of its own.
#[test]
fn doctor_finds_nothing_wrong_with_a_site_that_init_has_made() {
    on_a_network_of_its_own("doctor::doctor_finds_nothing_wrong_with_a_site_that_init_has_made", || {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let made = binary().args(["init", "--host", "platform.example"]).arg(&site).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = site.join("platform.toml");
        assert_eq!(complaints(&config), [Value::Null; 0]);
        let printed = binary().args(["doctor", "--config"]).arg(&config).output().unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        let own: Vec<_> = printed.lines().filter(|line| line.contains("responder")).collect();
        assert!(own.len() == 1 && own[0].starts_with("ok "), "{printed}");
        assert!(own[0].contains("does not run: its responses and CRLs that are here last until"), "{own:?}");

        // Where what it has published is not at hand, it has to run.
        let crls = site.join("pki/crl");
        std::fs::rename(&crls, site.join("pki/away")).unwrap();
        std::fs::create_dir(&crls).unwrap();
        let found = complaints(&config);
        assert!(found.iter().any(|line| line["code"] == "responder-unreachable"), "{found:#?}");
        assert!(found.iter().any(|line| line["code"] == "crl-unreachable"), "{found:#?}");
    });
}

#[test]
fn doctor_names_a_crl_that_is_missing_damaged_or_old() {
    let folder = tempfile::tempdir().unwrap();
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 60);
    let former = TestPki::init(folder.path(), "http://127.0.0.1:9", &Clock::manual(past)).unwrap();
    let crl = |of: &TestPki| std::fs::read(of.crl(Authority::ComponentCaEcc)).unwrap();
    let (old, current) = (crl(&former), crl(pki()));
    let issuer = pki().certificate(Authority::ComponentCaEcc);
    let cases = [
        (None, "warning", Some("crl-unreachable"), "does not answer"),
        (Some(b"<html>It works!</html>".to_vec()), "warning", Some("crl-unreachable"), "is no CRL"),
        (Some(old), "warning", Some("crl-ending"), "that ended"),
        (Some(current), "ok", None, "the next one by"),
    ];
    for (answer, level, code, part) in cases {
        let server = Server::start(Duration::ZERO, Arc::new(move |_| answer.clone()));
        let url = server.url("ca.crl");
        let text = format!("[[revocation.responders]]\nissuer = \"{}\"\ncrl = \"{url}\"\n", issuer.display());
        let (lines, _) = examined(&Cli::without_store(&Site::new().with_text(&text)));
        let found = line(&lines, "CRL", &url);
        assert_eq!((found["level"].as_str(), found["code"].as_str()), (Some(level), code), "{found}");
        assert!(found["detail"].as_str().unwrap().contains(part), "{found}");
        assert_eq!(found["what-to-do"].is_string(), level != "ok", "{found}");
    }
}

#[test]
fn doctor_says_that_a_disk_is_slow() {
    let site = Site::new();
    let disk = FaultyDisk::new(site.path());
    let site =
        disk.environment().into_iter().fold(site, |site, (name, value)| site.with_environment(name, value));
    disk.slow_down(Duration::from_millis(80));
    let (lines, exit) = examined(&Cli::without_store(&site));
    let found = line(&lines, "disk", "a synchronised write takes");
    assert_eq!((&found["level"], &found["code"]), (&"warning".into(), &"store-slow".into()), "{found}");
    assert!(exit > 0 && found["what-to-do"].is_string(), "{exit} {found}");
}

#[test]
fn doctor_measures_a_server_and_compares_its_clock() {
    let site = Site::on_postgres();
    let (lines, _) = examined(&Cli::of(&site));
    assert_eq!(line(&lines, "database", "a round trip takes")["level"], "ok");
    assert_eq!(line(&lines, "clock", "the store's server")["level"], "ok");
}

#[test]
fn doctor_names_a_limit_of_open_files_that_is_too_low_and_what_raises_it() {
    let site = Site::new().with("interface-a", "max-connections = 4000");
    let script = "ulimit -n 512 && exec \"$0\" --json doctor --config \"$1\"";
    let run = Command::new("bash").args(["-c", script, program()]).arg(site.write_configuration()).output();
    let run = run.unwrap();
    let lines = String::from_utf8(run.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = line(&lines, "limits", "the hard limit of open files of this shell is 512");
    assert_eq!((&found["level"], &found["code"]), (&"warning".into(), &"limit-near".into()));
    assert!(found["what-to-do"].as_str().unwrap().contains("LimitNOFILE="), "{found}");
}
