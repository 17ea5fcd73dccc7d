//! `check` and a refused start: every warning and every error has a code with a help page. And `config`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use pcd_platform::x509::KeyPurpose;
use serde_json::Value;

use crate::harness::{Cli, Site};

/// What `check` finds beside what is well, in JSON, each with a code that has a help page; and its exit code.
fn findings(site: &Site) -> (Option<i32>, Vec<Value>) {
    let cli = Cli::without_store(site);
    let (status, stdout, stderr) = cli.try_run(&["--json", "check"]);
    let all: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!all.is_empty(), "{stderr}");
    let found: Vec<_> = all.into_iter().filter(|one| one["level"] != "ok").collect();
    for one in &found {
        let code = one["code"].as_str().unwrap_or_else(|| panic!("no code: {one}"));
        let help = cli.run(&["help", code]);
        assert!(help.starts_with(&format!("# {code}\n")) && help.contains("## What to do"), "{help}");
    }
    (status.code(), found)
}

/// `check` has an error with this code, and a start is refused with it.
fn assert_refused(site: &Site, code: &str) {
    let (exit, found) = findings(site);
    assert!(matches!(exit, Some(1 | 78)), "{code}: {exit:?} {found:?}");
    let is_error = |one: &&Value| one["level"] == "error" && one["code"] == code;
    assert!(found.iter().any(|one| is_error(&one)), "{code}: {found:?}");
    let (status, _, stderr) = Cli::without_store(site).try_run(&["serve"]);
    assert!(matches!(status.code(), Some(69 | 78)), "{code}: {stderr}");
    assert!(stderr.contains(&format!("help: pcd-platform help {code}\n")), "{code}: {stderr}");
}

#[test]
fn what_a_start_refuses_is_an_error_of_check_with_the_same_code() {
    assert_refused(&Site::new().with("interface-a", "idle-timeout = 15"), "config-syntax");
    assert_refused(&Site::new().with("interface-a", "max-frame = \"1 B\""), "config-value");
    let missing = "client-trust-anchors = [\"missing.pem\"]";
    assert_refused(&Site::new().with("tls", missing), "identity-unusable");
    assert_refused(&Site::new().with("admin", "trust-anchors = [\"missing.pem\"]"), "people-unusable");
    let crls = "installed-crls = [\"missing\"]";
    assert_refused(&Site::new().with("revocation", crls), "revocation-data-unusable");
    let twice = Site::new()
        .with("admin", "listen = \"127.0.0.1:45751\"")
        .with("admin", "health-listen = \"127.0.0.1:45751\"");
    assert_refused(&twice, "address-in-use");
    let site = Site::new();
    let open = site.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let socket = format!("socket = \"{}\"", open.join("admin.sock").display());
    assert_refused(&site.with("admin", &socket), "socket-unusable");
    let secret = "[[notify]]\nname = \"x\"\nwebhook = \"http://127.0.0.1:9/\"\nsecret-file = \"missing\"\n";
    // A start goes without the receiver; `check` has an error, and a reload is refused.
    let (exit, found) = findings(&Site::new().with_text(secret));
    let is_unusable = |one: &Value| one["level"] == "error" && one["code"] == "receiver-unusable";
    assert!(exit == Some(1) && found.iter().any(is_unusable), "{found:?}");
    let repository = "address = \"arr.example:6514\"\ntrust-anchors = [\"missing.pem\"]";
    let site = Site::new().with_text(&format!("[audit.repository]\n{repository}\n"));
    assert_refused(&site, "repository-unusable");
    for fault in ["chain", "key", "mode", "root"] {
        assert_refused(&with_gateway(fault), "identity-unusable");
    }
    let (exit, found) = findings(&with_gateway("issuer"));
    let is_incomplete = |one: &Value| one["level"] == "error" && one["code"] == "incomplete-chain";
    assert!(exit == Some(1) && found.iter().any(is_incomplete), "{found:?}");
    assert_eq!(findings(&with_gateway("nothing")).0, Some(0));
    let unreadable = Site::new();
    let cli = Cli::without_store(&unreadable);
    std::fs::remove_file(unreadable.path().join("platform.toml")).unwrap();
    let (status, _, stderr) = cli.try_run(&["serve"]);
    assert!(status.code() == Some(78) && stderr.contains("help config-unreadable\n"), "{stderr}");
}

/// A site of a gateway whose certificate, key or root cannot be used.
fn with_gateway(fault: &str) -> Site {
    let site = Site::new();
    let own = site.issue(&CertificateOrder::new("GATEWAY", Role::Gateway, KeyType::Ecc));
    let other = site.issue(&CertificateOrder::new("OTHER", Role::Gateway, KeyType::Ecc));
    let (mut chain, mut key, mut root) =
        (own.chain.clone(), own.key.clone(), site.trust_anchors()[0].clone());
    match fault {
        "chain" => chain = site.path().join("missing.pem"),
        "key" => key = other.key,
        "mode" => std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap(),
        "root" => root = other.chain,
        "issuer" => {
            let text = std::fs::read_to_string(&chain).unwrap();
            let (leaf, _) = text.split_once("-----END CERTIFICATE-----").unwrap();
            chain = site.path().join("alone.pem");
            std::fs::write(&chain, format!("{leaf}-----END CERTIFICATE-----\n")).unwrap();
        }
        _ => {}
    }
    let [chain, key, root] = [chain, key, root].map(|path| path.display().to_string());
    site.with_text(&format!(
        "[gateway]\nplatform = \"localhost:2575\"\ncertificate = {{ chain = \"{chain}\", key = \"{key}\" }}\n\
         trust-anchors = [\"{root}\"]\n"
    ))
}

#[test]
fn what_an_operator_should_look_at_is_a_warning_with_a_code() {
    let site = Site::new();
    let data = site.path().join("closed");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    let own = rustix::process::getegid().as_raw();
    let site = site
        .without("tls", "rsa")
        .without("revocation", "installed-crls")
        .with("admin", &format!("socket = \"{}\"", data.join("admin.sock").display()))
        .with("admin.roles", "viewer = [\"user:no-such-account\", \"group:no-such-group\"]");
    let group = if own == 0 { 33 } else { own };
    let site = site.with("admin", &format!("socket-group = \"{group}\""));
    let (exit, found) = findings(&site);
    let codes: Vec<_> = found.iter().map(|one| (one["level"].as_str().unwrap(), &one["code"])).collect();
    for code in ["identity-one-kind", "no-installed-crl", "account-unknown", "store-missing"] {
        assert!(codes.contains(&("warning", &code.into())), "{code}: {found:?}");
    }
    assert!(own != 0 || codes.contains(&("warning", &"socket-unreachable".into())), "{found:?}");
    assert_eq!(exit, Some(0), "{found:?}");
}

#[test]
fn a_root_of_devices_that_is_one_of_hospital_systems_is_a_warning() {
    let site = Site::new();
    let anchors = site.trust_anchors();
    let site = site
        .with("api", "listen = [\"127.0.0.1:0\"]")
        .with("api", "base-url = \"https://127.0.0.1:8443\"")
        .with("api", "read = \"community\"")
        .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {anchors:?} }}]"));
    let (exit, found) = findings(&site);
    let shared: Vec<_> = found.iter().filter(|one| one["code"] == "root-shared").collect();
    assert_eq!(shared.len(), anchors.len(), "{found:?}");
    let text = shared[0]["detail"].as_str().unwrap();
    assert!(shared[0]["level"] == "warning" && text.contains("each device reads"), "{text}");
    assert_eq!(exit, Some(0), "{found:?}");
}

#[test]
fn b17_a_platform_certificate_that_devices_would_refuse_is_a_warning() {
    let site = Site::new();
    let well = Cli::without_store(&site).run(&["check"]);
    assert!(well.contains("; for localhost, "), "{well}");
    // Certificates of devices have no name of a machine.
    let mut order = CertificateOrder::new("no-names", Role::Device, KeyType::Ecc);
    order.purposes = Some(vec![KeyPurpose::ServerAuth]);
    let own = site.issue(&order);
    let [chain, key] = [&own.chain, &own.key].map(|path| path.display().to_string());
    let site =
        site.without("tls", "ecc").with("tls", &format!("ecc = {{ chain = \"{chain}\", key = \"{key}\" }}"));
    let (_, found) = findings(&site);
    let unfit = |text: &str| {
        found.iter().any(|one| {
            one["code"] == "platform-certificate-unfit" && one["detail"].as_str().unwrap().contains(text)
        })
    };
    assert!(unfit("subjectAltName") && !unfit("digitalSignature"), "{found:?}");
}

#[test]
fn a91_a_folder_without_a_crl_is_a_warning() {
    let site = Site::new();
    let has_warning = |site: &Site| {
        let (_, found) = findings(site);
        found.iter().any(|one| one["code"] == "no-installed-crl" && one["level"] == "warning")
    };
    assert!(!has_warning(&site));
    let folder = site.path().join("no-crls");
    std::fs::create_dir(&folder).unwrap();
    let site = site.without("revocation", "installed-crls");
    let site = site.with("revocation", &format!("installed-crls = [\"{}\"]", folder.display()));
    assert!(has_warning(&site));
}

#[test]
fn the_log_of_the_start_names_a_socket_that_its_group_cannot_reach() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    let socket = site.path().join("run/admin.sock").display().to_string();
    let site =
        site.with("admin", &format!("socket = \"{socket}\"")).with("admin", "socket-group = \"www-data\"");
    let platform = site.start();
    let log = platform.stop().log;
    assert!(log.contains("not reachable for all who may connect") && log.contains("www-data"), "{log}");
}

#[test]
fn the_values_that_count_are_shown_with_their_origin_and_explained() {
    let site = Site::new().with("interface-a", "max-connections = 7");
    let site = site.with_environment("PCD_LOG", "warn".into());
    let cli = Cli::without_store(&site);
    let all = cli.json(&["config", "show"]);
    let of = |key: &str| all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key}: {all:?}"));
    let limit = of("interface-a.max-connections");
    assert_eq!((&limit["value"], &limit["from"]), (&7.into(), &"file".into()));
    assert_eq!(of("interface-a.max-frame")["from"], "default");
    let level = of("log.level");
    assert_eq!((&level["value"], &level["variable"]), (&"warn".into(), &"PCD_LOG".into()), "{level}");
    let changed = cli.run(&["config", "show", "--changed"]);
    let has = |key: &str| changed.lines().any(|line| line.starts_with(&format!("{key} ")));
    assert!(has("interface-a.max-connections") && !has("interface-a.max-frame"), "{changed}");
    let explained = cli.run(&["config", "explain", "max-frame"]);
    for part in ["interface-a.max-frame", "default  \"16 MiB\"", "now      \"16 MiB\" (default)", "1 KiB"] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let (status, _, stderr) = cli.try_run(&["config", "explain", "max-conections"]);
    assert!(status.code() == Some(64) && stderr.contains("did you mean"), "{stderr}");
    let schema: Value = serde_json::from_str(&cli.run(&["config", "schema"])).unwrap();
    let property = &schema["properties"]["interface-a"]["properties"]["max-connections"];
    assert_eq!((&property["type"], &property["default"]), (&"integer".into(), &20_000.into()));
}
