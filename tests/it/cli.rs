//! The command line as scripts see it: exit codes, stdout, stderr.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use crate::harness::{Cli, Site, binary, message};

const COMMANDS: [&[&str]; 31] = [
    &[],
    &["demo"],
    &["serve"],
    &["check"],
    &["pki"],
    &["pki", "init"],
    &["pki", "issue"],
    &["pki", "sign"],
    &["pki", "request"],
    &["pki", "inspect"],
    &["pki", "revoke"],
    &["pki", "crl"],
    &["device"],
    &["device", "add"],
    &["device", "list"],
    &["device", "show"],
    &["device", "suspend"],
    &["device", "resume"],
    &["device", "remove"],
    &["device", "import"],
    &["message", "list"],
    &["message", "show"],
    &["message", "export"],
    &["order", "send"],
    &["order", "list"],
    &["order", "show"],
    &["order", "withdraw"],
    &["order", "export"],
    &["audit"],
    &["audit", "list"],
    &["client", "send"],
];

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let output = binary().args(command).arg("--help").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(text.contains("Usage: pcd-platform"), "{command:?}: {text}");
        assert!(output.stderr.is_empty(), "help is a result, not an error");
    }
    let wrong = binary().arg("levitate").output().unwrap();
    assert_eq!(wrong.status.code(), Some(64));
    assert!(wrong.stdout.is_empty() && !wrong.stderr.is_empty());
    // Names of earlier versions.
    for (old, new) in [
        (&["send"][..], "client send"),
        (&["message", "send"], "order send"),
        (&["message", "outbox"], "order list"),
        (&["message", "withdraw"], "order withdraw"),
        (&["message", "export", "--outbox"], "order export"),
    ] {
        let renamed = binary().args(old).output().unwrap();
        let text = String::from_utf8(renamed.stderr).unwrap();
        assert_eq!(renamed.status.code(), Some(64), "{old:?}");
        assert!(text.contains(&format!("is now `{new}`")), "{old:?}: {text}");
    }
}

fn check(site: &Site) -> (Option<i32>, String) {
    let (status, stdout, stderr) = Cli::of(site).try_run(&["check"]);
    (status.code(), stdout + &stderr)
}

// A6, A11: one run of `check` names everything that an operator has to fix in roots, chains and keys.
#[test]
fn check_reports_every_fault_of_roots_chains_and_keys() {
    let site = Site::new();
    let root = site.path().join("broken-root.pem");
    std::fs::write(&root, "no certificate").unwrap();
    let other = site.certificate("OTHER", KeyType::Ecc);
    let chain = site.path().join("missing-chain.pem");
    let site = site.with("tls", "client-trust-anchors = [\"broken-root.pem\"]").with(
        "tls",
        &format!("ecc = {{ chain = \"{}\", key = \"{}\" }}", chain.display(), other.key.display()),
    );
    let platform = crate::harness::pki().trust_anchors()[0].with_file_name("platform");
    let rsa = platform.join("platform.rsa.chain.pem");
    let site = site.with(
        "tls",
        &format!("rsa = {{ chain = \"{}\", key = \"{}\" }}", rsa.display(), other.key.display()),
    );
    let (exit, text) = check(&site);
    assert_eq!(exit, Some(1), "{text}");
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error")).collect();
    for name in ["broken-root.pem", "missing-chain.pem", "platform.rsa.chain.pem"] {
        assert_eq!(errors.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {text}");
    }
}

#[test]
fn check_reports_what_is_right_and_what_is_wrong() {
    let (exit, text) = check(&Site::new());
    assert_eq!(exit, Some(0), "{text}");
    for finding in ["configuration: ", "certificate: CN=platform", "(ecc)", "(rsa)", "store: "] {
        assert!(
            text.lines().any(|line| line.starts_with("ok") && line.contains(finding)),
            "{finding}: {text}"
        );
    }

    let open = Site::new()
        .with("revocation", "installed-crls = []")
        .with("revocation", "when-undetermined = \"accept\"");
    let (exit, text) = check(&open);
    assert_eq!(exit, Some(0), "a warning is no failure: {text}");
    assert!(text.contains("warning  revocation: "), "{text}");

    let (exit, text) = check(&Site::new().with("revocation", "installed-crls = []"));
    assert_eq!(exit, Some(0), "OCSP may answer: {text}");
    assert!(text.contains("warning  revocation: ") && text.contains("no device can connect"), "{text}");

    let (exit, text) = check(&Site::new().with("store", "url = \"sqlite:platform.toml/platform.db\""));
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains("error    store: ") && text.contains("platform.toml is not a folder"), "{text}");

    let (exit, text) = check(&Site::new().with("devices", "unknwon = \"enrol\""));
    assert_eq!(exit, Some(78), "{text}");
    assert!(text.contains("unknwon") && text.contains("line "), "{text}");
}

#[test]
fn check_says_it_in_json_as_well() {
    let findings = Cli::of(&Site::new()).json(&["check"]);
    assert!(findings.len() >= 4);
    for finding in findings {
        // No responder answers for the certificates of the tests' PKI.
        let level = if finding["what"] == "staple" { "warning" } else { "ok" };
        assert_eq!(finding["level"], level, "{finding}");
        assert!(finding["what"].is_string() && finding["detail"].is_string());
    }
}

// A11
#[test]
fn a_key_that_others_can_read_is_refused_and_the_error_names_the_fix() {
    let site = Site::new();
    let own = site.issue(&CertificateOrder::new("platform-open", Role::Platform, KeyType::Ecc));
    set_permissions(&own.key, Permissions::from_mode(0o644)).unwrap();
    let line = format!("ecc = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), own.key.display());
    let site = site.with("tls", &line);
    let cli = Cli::without_store(&site);
    for (command, exit) in [("check", 1), ("serve", 78)] {
        let (status, stdout, stderr) = cli.try_run(&[command]);
        let text = stdout + &stderr;
        assert_eq!(status.code(), Some(exit), "{command}: {text}");
        let hint = format!("chmod 600 {}", own.key.display());
        assert!(text.contains(&hint), "{command}: {text}");
    }
    assert!(!site.path().join("platform.db").exists(), "nothing was touched");
}

// B12 to B16
#[test]
fn client_send_prints_each_acknowledgement_and_exits_by_them() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    let own = site.certificate("MONITOR", KeyType::Rsa);
    let file = |name: &str, content: &[u8]| {
        let path = site.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = file("good.hl7", &message("MONITOR", "S-1"));
    let foreign = file("foreign.hl7", &message("OTHER", "S-2"));
    let [ecc, rsa] = [0, 1].map(|root| site.trust_anchors()[root].display().to_string());
    let (chain, key) = (own.chain.display().to_string(), own.key.display().to_string());
    let address = platform.address.to_string();
    let send = |to: &str, more: &[&str]| {
        let own = [
            "client",
            "send",
            "--to",
            to,
            "--chain",
            &chain,
            "--key",
            &key,
            "--trust",
            &ecc,
            "--trust",
            &rsa,
            "--staples",
            "accept",
        ];
        let (status, stdout, stderr) = platform.cli().try_run(&[&own, more].concat());
        (status.code(), stdout, stderr)
    };
    let (exit, stdout, stderr) = send(&address, &[&good]);
    assert_eq!((exit, stdout.as_str()), (Some(0), &*format!("{good}: CA S-1\n")), "{stderr}");
    let (exit, stdout, _) = send(&address, &[&good, &foreign]);
    assert_eq!(exit, Some(1));
    let answers = stdout.lines().filter(|line| line.starts_with(&good) || line.starts_with(&foreign));
    assert_eq!(answers.count(), 2, "{stdout}");
    assert!(stdout.contains(&format!("{foreign}: CR S-2 (identity-mismatch)")), "{stdout}");
    let suite = "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384";
    assert_eq!(send(&address, &["--suite", suite, &good]).0, Some(0));
    assert_eq!(
        platform.metric(&format!("pcd_tls_negotiated_total{{suite=\"{suite}\",version=\"TLSv1_2\"}}")),
        1.0
    );
    assert_eq!(send("127.0.0.1:1", &[&good]).0, Some(69), "no process listens there");
    assert_eq!(send("127.0.0.1:port", &[&good]).0, Some(64));
    // The platform stores an acknowledgement, and acknowledges none.
    let header = "MSH|^~\\&|MONITOR||||20260101120000||ACK^R01^ACK|S-9|P|2.6|||AL|AL";
    let answer = file("answer.hl7", format!("{header}\rMSA|AA|UNKNOWN\r").as_bytes());
    let began = std::time::Instant::now();
    let (exit, stdout, stderr) = send(&address, &[&answer]);
    assert_eq!(exit, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("requests no acknowledgement"), "{stdout}");
    assert!(began.elapsed() < std::time::Duration::from_secs(25), "it waits for none: {:?}", began.elapsed());
    let missing = send(&address, &["no-such-file.hl7"]);
    assert_eq!(missing.0, Some(1));
    assert!(missing.2.contains("no-such-file.hl7"), "{}", missing.2);
}

#[test]
fn commands_change_the_directory_and_the_audit_trail_records_it() {
    let site = Site::new();
    let cli = Cli::of(&site);
    cli.run(&["device", "add", "GW-1", "--kind", "gateway", "--speaks-for", "00A037*", "--note", "ward 7"]);
    cli.run(&["device", "add", "PUMP-1"]);
    let listed = cli.json(&["device", "list"]);
    assert_eq!(listed.len(), 2);
    let gateway = &cli.json(&["device", "show", "GW-1"])[0];
    assert_eq!((&gateway["kind"], &gateway["speaks-for"][0]), (&"gateway".into(), &"00A037*".into()));
    cli.run(&["device", "suspend", "PUMP-1"]);
    assert_eq!(cli.json(&["device", "show", "PUMP-1"])[0]["status"], "suspended");
    cli.run(&["device", "resume", "PUMP-1"]);
    assert_eq!(cli.json(&["device", "show", "PUMP-1"])[0]["status"], "active");
    let removed = &cli.json(&["device", "remove", "PUMP-1"])[0];
    assert_eq!((&removed["cn"], &removed["removed"]), (&"PUMP-1".into(), &true.into()));
    for (words, exit) in [
        (["device", "show", "PUMP-1"], 1),
        (["device", "remove", "PUMP-1"], 1),
        (["device", "add", "GW-1"], 1),
        (["device", "suspend", ""], 64),
    ] {
        let (status, _, stderr) = cli.try_run(&words);
        assert_eq!(status.code(), Some(exit), "{words:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
    let events: Vec<_> = cli
        .json(&["audit", "list"])
        .into_iter()
        .map(|row| row["event"].as_str().unwrap().to_owned())
        .collect();
    let expected = ["device-removed", "device-resumed", "device-suspended", "device-added", "device-added"];
    assert_eq!(events, expected);
}
