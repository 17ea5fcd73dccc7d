//! Commands that the running platform executes for a person.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use crate::harness::{Device, Platform, Site, binary, message};

const OPERATOR: u32 = 4_000_003;
const VIEWER: u32 = 4_000_001;
const GROUP: u32 = 4_000_990;

/// A site that a viewer and an operator of [`GROUP`] reach; `None` without the right to run as other users.
fn site() -> Option<Site> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let site = Site::new();
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = site.path().join("admin.sock").display().to_string();
    Some(
        site.with("admin", &format!("socket = \"{socket}\""))
            .with("admin", &format!("socket-group = \"{GROUP}\""))
            .with("admin.roles", &format!("viewer = [\"user:{VIEWER}\"]"))
            .with("admin.roles", &format!("operator = [\"user:{OPERATOR}\"]")),
    )
}

/// Runs a command as another user, who cannot read the store.
fn run_as(site: &Site, user: u32, words: &[&str]) -> (Option<i32>, String, String) {
    let config = site.path().join("platform.toml");
    let Output { status, stdout, stderr } =
        binary().args(words).env("PCD_CONFIG", config).uid(user).gid(GROUP).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn actor_of(platform: &Platform, event: &str) -> String {
    let row = platform.cli().json(&["audit", "list", "--event", event]).remove(0);
    row["details"]["actor"].as_str().unwrap().to_owned()
}

#[test]
fn a_person_without_rights_to_the_store_works_with_the_roles_of_the_account() {
    let Some(site) = site() else { return };
    let platform = site.start();
    let (exit, _, error) = run_as(&site, OPERATOR, &["device", "add", "PUMP-1"]);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(actor_of(&platform, "device-added"), format!("uid {OPERATOR}"));
    let (exit, printed, error) = run_as(&site, VIEWER, &["device", "list"]);
    assert!(exit == Some(0) && printed.contains("PUMP-1"), "{printed}{error}");
    let (exit, _, error) = run_as(&site, VIEWER, &["device", "suspend", "PUMP-1"]);
    assert_eq!(exit, Some(77), "{error}");
    assert!(error.contains("needs the role operator"), "{error}");
    let (exit, _, error) = run_as(&site, VIEWER + 100, &["device", "list"]);
    assert_eq!(exit, Some(77), "{error}");
    // The store itself is not theirs.
    let (exit, _, _) = run_as(&site, OPERATOR, &["device", "list", "--offline"]);
    assert_ne!(exit, Some(0));
    let (exit, _, error) = run_as(&site, OPERATOR, &["store", "backup", "/tmp/not-written.db"]);
    assert!(exit == Some(77) && error.contains("needs the role admin"), "{error}");
    // Content needs the clinical role, which an operator does not have.
    let id = "019aca9b-b800-7000-8000-000000000000";
    let (exit, _, error) = run_as(&site, OPERATOR, &["message", "show", id, "--tree"]);
    assert!(exit == Some(77) && error.contains("needs the role clinical"), "{error}");
    let (exit, _, error) = run_as(&site, OPERATOR, &["message", "show", id]);
    assert!(exit == Some(1) && error.contains("no message has the id"), "{error}");
    platform.stop();

    // Without a platform the store is opened, for those who may.
    assert!(Site::write_configuration(&site).exists());
    let (exit, _, _) = run_as(&site, OPERATOR, &["device", "list"]);
    assert_ne!(exit, Some(0));
    let (status, printed, error) = crate::harness::Cli::without_store(&site).try_run(&["device", "list"]);
    assert!(status.success() && printed.contains("PUMP-1"), "{error}");
}

#[test]
fn the_platform_reads_no_file_for_a_person_and_gets_only_those_that_the_command_names() {
    let Some(site) = site() else { return };
    let platform = site.start();
    let secret = site.path().join("secret.csv");
    std::fs::write(&secret, "cn\nSECRET-1\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    // The platform could read it; the person cannot.
    let name = secret.to_str().unwrap();
    let (exit, printed, error) = run_as(&site, OPERATOR, &["device", "import", name]);
    assert_eq!(exit, Some(1), "{error}");
    assert!(error.contains("cannot read") && !(printed + &error).contains("SECRET-1"), "{error}");

    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (exit, printed, error) = run_as(&site, OPERATOR, &["device", "import", name]);
    assert!(exit == Some(0) && printed.contains("SECRET-1"), "{error}");
    let (exit, _, error) = run_as(&site, OPERATOR, &["order", "send", "SECRET-1", name, "--no-wait"]);
    assert!(exit == Some(1) && error.contains("cannot send"), "{error}");
    platform.stop();
}

#[test]
fn the_output_is_the_same_whether_the_platform_or_the_command_makes_it() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP-1", &["--note", "bed 14"]);
    for words in [
        &["device", "list"][..],
        &["device", "show", "PUMP-1"],
        &["--json", "device", "list"],
        &["audit", "list", "--event", "device-added"],
        &["--utc", "audit", "list", "--event", "device-added"],
        &["message", "list", "--limit", "3"],
        &["order", "list"],
        &["device", "show", "NO-SUCH"],
        &["device", "suspend"],
    ] {
        let by_platform = platform.cli().try_run(words);
        let offline = platform.cli().try_run(&[words, &["--offline"]].concat());
        assert_eq!((by_platform.0.code(), &by_platform.1), (offline.0.code(), &offline.1), "{words:?}");
        if words != ["device", "suspend"] {
            assert_eq!(by_platform.2, offline.2, "{words:?}");
        }
    }
    let requests = platform.log().lines().filter(|line| line.contains("/api/command")).count();
    assert!(requests >= 8, "{requests}");
    platform.stop();
}

#[test]
fn a_backup_is_written_by_the_platform_where_the_absolute_path_says() {
    let site = Site::new();
    let platform = site.start();
    let copy = site.path().join("copy.db");
    // The command's working directory counts, not that of the platform.
    let config = site.path().join("platform.toml");
    let made = binary()
        .args(["store", "backup", "copy.db"])
        .env("PCD_CONFIG", config)
        .current_dir(site.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    platform.stop();
}

/// A POST over the socket: status and body.
pub(crate) fn post(platform: &Platform, path: &str, body: &str) -> (u16, serde_json::Value) {
    let answer = platform.ask(&format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_device_connects_as_soon_as_the_command_or_the_act_that_added_it_has_answered() {
    for site in Site::on_each_store() {
        let platform = site.start();
        let names: Vec<_> = (1..=6).map(|n| format!("RACE-{n}")).collect();
        let own: Vec<_> = names.iter().map(|name| site.certificate(name, KeyType::Ecc)).collect();
        for (n, (name, own)) in names.iter().zip(&own).enumerate() {
            if n % 2 == 0 {
                platform.cli().run(&["device", "add", name]);
            } else {
                assert_eq!(post(&platform, "/api/devices", &format!(r#"{{"cn": "{name}"}}"#)).0, 200);
            }
            let mut device = Device::connect(&site, platform.address, own).unwrap();
            assert_eq!(device.code(message(name, "1")), "CA", "{name}");
            drop(device);
            platform.cli().run(&["device", "suspend", name]);
            let again = Device::connect(&site, platform.address, own);
            let sent = again.and_then(|mut device| device.send(message(name, "2")));
            assert!(sent.is_err(), "{name} was suspended");
        }
        platform.stop();
    }
}

#[test]
fn each_act_says_what_it_will_do_and_does_it_when_it_is_asked_to() {
    let site = Site::new();
    let platform = site.start();
    let status = || platform.cli().json(&["device", "show", "PUMP-1"])[0]["status"].clone();
    let (code, act) = post(&platform, "/api/devices", r#"{"cn": "PUMP-1", "note": "bed 14"}"#);
    assert_eq!(
        (code, &act["done"], &act["results"][0]["cn"]),
        (200, &true.into(), &"PUMP-1".into()),
        "{act}"
    );
    let about = r#"{"name": "Pump 7", "ward": "ICU", "model": "M 3", "serial": "SN-1", "owner": "biomed",
        "expected": true}"#;
    let (code, act) = post(&platform, "/api/devices/PUMP-1/change", about);
    assert_eq!((code, &act["done"]), (200, &true.into()), "{act}");
    let shown = platform.cli().json(&["device", "show", "PUMP-1"]).remove(0);
    for (key, value) in
        [("name", "Pump 7"), ("ward", "ICU"), ("model", "M 3"), ("serial", "SN-1"), ("owner", "biomed")]
    {
        assert_eq!(shown[key], value, "{shown}");
    }
    assert_eq!(shown["expected"], true, "{shown}");
    let (code, problem) = post(&platform, "/api/devices", r#"{"cn": "PUMP-1"}"#);
    assert_eq!((code, &problem["code"]), (409, &"conflict".into()), "{problem}");

    let (code, act) = post(&platform, "/api/devices/PUMP-1/suspend?preview=true", "");
    assert_eq!((code, &act["done"], status()), (200, &false.into(), "active".into()), "{act}");
    assert!(act["what"].as_str().unwrap().contains("ends 0 sessions of PUMP-1"), "{act}");
    assert_eq!(post(&platform, "/api/devices/PUMP-1/suspend", "").0, 200);
    assert_eq!(status(), "suspended");
    assert_eq!(post(&platform, "/api/devices/PUMP-1/resume", "").0, 200);
    assert_eq!(status(), "active");
    // A device may have chosen the text: a pattern is none of its identities.
    let (code, problem) = post(&platform, "/api/devices/PUMP-1/allow", r#"{"identity": "00A037*"}"#);
    assert_eq!((code, &problem["code"]), (400, &"bad-request".into()), "{problem}");
    let (code, act) = post(&platform, "/api/devices/PUMP-1/allow", r#"{"identity": "Bed 3, left"}"#);
    assert_eq!((code, &act["results"][0]["speaks-for"][0]), (200, &"Bed 3, left".into()), "{act}");
    assert_eq!(post(&platform, "/api/devices/NO-SUCH/suspend", "").0, 404);
    assert_eq!(post(&platform, "/api/devices/PUMP-1/change", r#"{"kind": "--offline"}"#).0, 400);

    let order = crate::southbound::order("ORDER-1", "AL", "").replace("00A037FFFE000001", "PUMP-1");
    let words = serde_json::json!({
        "device": "PUMP-1", "within": "1h",
        "message": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, order),
    });
    let (code, act) = post(&platform, "/api/orders", &words.to_string());
    assert_eq!(code, 200, "{act}");
    let id = act["results"][0]["id"].as_str().unwrap();
    let (code, act) = post(&platform, &format!("/api/orders/{id}/withdraw?preview=true"), "");
    assert!(code == 200 && act["what"].as_str().unwrap().contains("not sent yet"), "{act}");
    let (code, act) = post(&platform, &format!("/api/orders/{id}/withdraw"), "");
    assert_eq!((code, &act["results"][0]["outcome"]), (200, &"withdrawn".into()), "{act}");
    assert_eq!(post(&platform, &format!("/api/orders/{id}/withdraw"), "").0, 409);

    let (code, act) = post(&platform, "/api/devices/PUMP-1/remove?preview=true", "");
    assert!(code == 200 && act["what"].as_str().unwrap().contains("withdraws the orders"), "{act}");
    assert_eq!(post(&platform, "/api/devices/PUMP-1/remove", "").0, 200);
    let actor =
        platform.cli().json(&["audit", "list", "--event", "device-removed"])[0]["details"]["actor"].clone();
    assert_eq!(
        actor,
        platform.cli().json(&["audit", "list", "--event", "device-added"])[0]["details"]["actor"]
    );
    platform.stop();
}

/// `PCD_WRITE_OPENAPI=1` writes it.
#[test]
fn the_description_of_the_api_is_the_one_of_the_documentation() {
    let site = Site::new();
    let platform = site.start();
    let (status, body) = platform.get("/api/openapi.json");
    assert_eq!(status, 200, "{body}");
    let described = pcd_platform::http::describe_api(pcd_platform::page::routes());
    let text = serde_json::to_string_pretty(&described).unwrap() + "\n";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/openapi.json");
    if std::env::var_os("PCD_WRITE_OPENAPI").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).is_ok_and(|committed| committed == text),
        "docs/reference/openapi.json is another one: run this test with PCD_WRITE_OPENAPI=1"
    );
    assert!(body == text, "the program was built before the file was written: run this test again");
    platform.stop();
}

#[test]
fn the_platform_takes_no_words_about_where_it_is() {
    let site = Site::new();
    let platform = site.start();
    for word in ["--config=/etc/shadow", "--socket", "--offline"] {
        let body = format!("{{\"words\":[\"device\",\"list\",\"{word}\",\"x\"]}}");
        let (status, answer) = post(&platform, "/api/command", &body);
        assert_eq!((status, &answer["exit"]), (200, &64.into()), "{answer}");
        let shown = answer["stderr"].as_str().unwrap();
        assert!(shown.contains("does not take --"), "{shown}");
    }
    // The command itself takes them, and does not pass them on.
    let socket = platform.socket.as_ref().unwrap().display().to_string();
    let config = site.path().join("platform.toml").display().to_string();
    let words = ["--socket", &socket, "device", "list", "--config", &config];
    assert!(binary().args(words).output().unwrap().status.success());
    platform.stop();
}

#[test]
fn a_command_sends_nothing_to_a_socket_of_another_account() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let socket = folder.path().join("admin.sock");
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\nprint('listens', flush=True)\n\
                  print(s.accept()[0].recv(100), flush=True)";
    let mut python = crate::harness::tool("python3", "python3");
    python.args(["-c", script]).arg(&socket).uid(4_000_011).gid(4_000_011);
    let mut false_platform = python.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(false_platform.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "listens");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
    let made = binary().args(["device", "list", "--socket"]).arg(&socket).output().unwrap();
    let error = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(77), "{error}");
    assert!(error.contains("uid 4000011") && error.contains("nothing was sent"), "{error}");
    assert_eq!(lines.next().unwrap().unwrap(), "b''");
    false_platform.wait().unwrap();
}

#[test]
fn a_command_sends_nothing_to_an_account_that_owns_the_folder_of_state_and_not_the_store() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new().with("store", "node = \"ward-7\"");
    let cli = crate::harness::Cli::of(&site);
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let folder = site.path().join("data/audit");
    std::fs::create_dir_all(&folder).unwrap();
    for path in [site.path().join("data"), folder.clone()] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(&folder, Some(4_000_011), Some(4_000_011)).unwrap();
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\nprint('listens', flush=True)\n\
                  s.settimeout(60)\n\
                  while True:\n  print(s.accept()[0].recv(100), flush=True)";
    let mut python = crate::harness::tool("python3", "python3");
    let socket = folder.join("admin-ward-7.sock");
    python.args(["-c", script]).arg(&socket).uid(4_000_011).gid(4_000_011);
    let mut false_platform = python.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(false_platform.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "listens");
    for words in [&["status"][..], &["device", "list"]] {
        let (exit, printed, error) = cli.try_run(words);
        assert_eq!((exit.code(), printed.as_str()), (Some(77), ""), "{words:?}: {error}");
        assert!(error.contains("owner of the store") && error.contains("nothing was sent"), "{error}");
    }
    false_platform.kill().unwrap();
    false_platform.wait().unwrap();
    assert!(lines.all(|line| line.unwrap() == "b''"), "no byte came");
}

/// `order send`, lists, and what reads the platform's state.
#[test]
fn a_command_does_not_wait_for_a_platform_that_is_stopped() {
    let Some(site) = site() else { return };
    let platform = site.start();
    let cli = crate::harness::Cli::of(&site);
    platform.signal(Signal::STOP);
    let commands = [vec!["device", "list"], vec!["device", "add", "PUMP-1"], vec!["status"]];
    let started = Instant::now();
    // All at once: each waits for about twelve seconds.
    let ended = std::thread::scope(|scope| {
        let run = |words: &Vec<&'static str>| {
            let (words, site) = (words.clone(), &site);
            scope.spawn(move || run_as(site, 0, &words))
        };
        let running: Vec<_> = commands.iter().map(run).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    for (words, (exit, _, error)) in commands.iter().zip(&ended) {
        assert_eq!(*exit, Some(69), "{words:?}: {error}");
        assert!(error.contains("process is stopped"), "{words:?}: {error}");
    }
    assert!(ended[0].2.contains("--offline"), "{}", ended[0].2);
    let (status, _, error) = cli.try_run(&["device", "list", "--offline"]);
    assert!(status.success(), "{error}");
    platform.signal(Signal::CONT);
    // What was asked meanwhile may have happened.
    let (exit, _, error) = run_as(&site, OPERATOR, &["device", "list"]);
    assert_eq!(exit, Some(0), "{error}");
    platform.stop();
}
