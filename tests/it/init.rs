//! `init`: from an empty folder to the first message, by the words of its own page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{binary, eventually, on_a_network_of_its_own, program, where_one_may_mount};

// The ports are those of the configuration that it writes, so the test has a network of its own.
#[test]
fn the_commands_that_init_prints_bring_the_first_message_into_the_store() {
    let test = "init::the_commands_that_init_prints_bring_the_first_message_into_the_store";
    on_a_network_of_its_own(test, || {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("St. Mary's");
        let made = init(&dir, &["--site", "St. Mary's", "--host", "platform.example"]);
        assert_eq!(findings(&dir), [""; 0], "check finds no fault, and nothing to warn of");

        let commands: Vec<_> =
            made["commands"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let next = std::fs::read_to_string(made["next"].as_str().unwrap()).unwrap();
        for command in &commands {
            let bare = command.split("   #").next().unwrap();
            assert!(next.contains(&format!("    {bare}\n")), "NEXT.md has {bare}: {next}");
        }
        let [serve, send, page] = commands[..] else { panic!("three commands: {commands:?}") };
        let mut platform = shell(serve).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("the platform listens", || std::net::TcpStream::connect("127.0.0.1:2575").is_ok());
        let sent = shell(send).output().unwrap();
        assert!(sent.status.success() && text(&sent).contains("CA"), "{}", text(&sent));
        let link = shell(page).output().unwrap();
        assert!(text(&link).contains("http://127.0.0.1:9575/"), "{}", text(&link));
        let listed = run(&dir, &["--json", "message", "list"]);
        assert_eq!(listed.lines().count(), 1, "{listed}");
        let pid = Pid::from_raw(i32::try_from(platform.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(platform.wait().unwrap().success());
    });
}

// What others may write, they may replace: a root, a chain, the configuration.
#[test]
fn other_accounts_may_write_nothing_of_a_site_whatever_the_umask_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("site");
    std::fs::create_dir(&dir).unwrap();
    let script = "umask 000; exec \"$0\" init \"$1\" --site Test --host localhost";
    let made = Command::new("sh").args(["-c", script, program()]).arg(&dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut folders = vec![dir];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o022, 0, "{}", path.display());
            files += 1;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(files > 20, "{files}");
}

#[test]
fn a_site_with_certificates_of_the_hospitals_ca_says_what_is_missing_until_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("site");
    let made = init(&dir, &["--pki", "request", "--site", "General Hospital", "--host", "pcd.example"]);
    let requests: Vec<_> = made["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| PathBuf::from(path.as_str().unwrap()))
        .collect();
    assert_eq!(requests.len(), 2);
    let missing = findings(&dir);
    assert!(missing.iter().any(|line| line.contains("root-ecc.pem")), "{missing:?}");

    run(&dir, &["device", "add", "PUMP-1"]);
    // The CA of the hospital.
    let ca = folder.path().join("ca");
    command(&["pki", "init", "--url", "http://127.0.0.1:9", "--dir", ca.to_str().unwrap()]);
    for (request, kind) in requests.iter().zip(["ecc", "rsa"]) {
        let subject = run_openssl(request);
        assert!(subject.contains("General Hospital") && subject.contains("pcd.example"), "{subject}");
        let signed = [
            "pki",
            "sign",
            "--dir",
            ca.to_str().unwrap(),
            "--role",
            "platform",
            "--csr",
            request.to_str().unwrap(),
        ];
        let out = dir.join(format!("pki/platform/platform.{kind}.chain.pem"));
        command(&[&signed[..], &["--out", out.to_str().unwrap()]].concat());
        let root = format!("root-{kind}.pem");
        std::fs::copy(ca.join(&root), dir.join("pki").join(&root)).unwrap();
    }
    let found = check(&dir);
    let errors: Vec<_> = found.iter().filter(|finding| finding["level"] == "error").collect();
    assert!(errors.is_empty(), "{errors:?}");
}

// A container has another host name at each start.
#[test]
fn the_audit_chain_that_init_begins_is_that_of_the_named_node() {
    let folder = tempfile::tempdir().unwrap();
    for pki in ["test", "request"] {
        let dir = folder.path().join(pki);
        let made =
            binary().args(["init", "--pki", pki]).arg(&dir).env("PCD_NODE", "ward-7").output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        let verified = binary()
            .args(["--json", "audit", "verify", "--config"])
            .arg(dir.join("platform.toml"))
            .env("PCD_NODE", "ward-7")
            .output()
            .unwrap();
        let chains = String::from_utf8(verified.stdout).unwrap();
        let chains: Vec<Value> = chains.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(chains.iter().all(|chain| chain["node"] == "ward-7"), "{pki}: {chains:?}");
    }
}

// As in a container with a read-only root: only the volume can be written, wherever the command begins.
#[test]
fn a_site_is_made_and_used_where_only_its_own_folder_can_be_written() {
    let test = "init::a_site_is_made_and_used_where_only_its_own_folder_can_be_written";
    let volume = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    where_one_may_mount(test, || {
        for folder in ["/tmp", "/var/tmp"] {
            let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "ro", "tmpfs", folder]).status();
            assert!(mounted.unwrap().success(), "{folder}");
        }
        let site = volume.path().join("site");
        let run = |words: &[&str]| {
            let mut command = binary();
            command.args(words).current_dir("/tmp").env("PCD_CONFIG", site.join("platform.toml"));
            let run = command.env_remove("TMPDIR").env_remove("SQLITE_TMPDIR").output().unwrap();
            assert!(run.status.success(), "{words:?}: {}", text(&run));
        };
        run(&["init", site.to_str().unwrap(), "--host", "localhost"]);
        run(&["check"]);
        run(&["store", "check"]);
        run(&["store", "backup", volume.path().join("copy.db").to_str().unwrap()]);
    });
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platform.toml");
    std::fs::write(&file, "mine").unwrap();
    let output = binary().arg("init").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("is not empty"), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_no_field_of_a_message_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary().args(["init", "--site", "A|B"]).arg(folder.path().join("x")).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(!folder.path().join("x").exists());
}

fn init(dir: &Path, more: &[&str]) -> Value {
    let output = binary().args(["--json", "init"]).arg(dir).args(more).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `check` finds that is not in order.
fn findings(dir: &Path) -> Vec<String> {
    let found = check(dir);
    found.iter().filter(|finding| finding["level"] != "ok").map(Value::to_string).collect()
}

fn check(dir: &Path) -> Vec<Value> {
    let output =
        binary().args(["--json", "check", "--config"]).arg(dir.join("platform.toml")).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(dir: &Path, words: &[&str]) -> String {
    let output = binary().args(words).arg("--config").arg(dir.join("platform.toml")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn command(words: &[&str]) {
    let output = binary().args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output));
}

fn run_openssl(request: &Path) -> String {
    let mut openssl = crate::harness::command("openssl", "openssl");
    let output = openssl.args(["req", "-noout", "-text", "-in"]).arg(request).output().unwrap();
    text(&output)
}

/// The line as a person would type it, with the program in the `PATH`.
fn shell(line: &str) -> Command {
    let folder = Path::new(program()).parent().unwrap().to_str().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {line}")]);
    shell.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
    shell
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
