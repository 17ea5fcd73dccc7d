//! A command whose configuration names another store than the platform that it reaches.

use std::path::Path;

use crate::harness::{Platform, Site, binary};

/// A command with this configuration and this environment: exit code, stdout, stderr.
fn run(config: &Path, variables: &[(&str, &str)], words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = binary();
    command.args(words).env("PCD_CONFIG", config).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn status_of(platform: &Platform, device: &str) -> String {
    platform.cli().json(&["device", "show", device])[0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_that_means_a_copy_does_nothing_to_the_running_platform() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP-1", &[]);
    let config = site.path().join("platform.toml");
    let drill = site.path().join("drill.db");
    platform.cli().run(&["store", "backup", drill.to_str().unwrap()]);
    let copy = format!("sqlite:{}", drill.display());
    let other = [("PCD_STORE_URL", copy.as_str())];

    for words in [
        &["device", "suspend", "PUMP-1"][..],
        &["device", "add", "PUMP-2"],
        &["device", "list"],
        &["audit", "list"],
        &["page"],
    ] {
        let (exit, printed, error) = run(&config, &other, words);
        assert_eq!((exit, printed.as_str()), (Some(1), ""), "{words:?}: {error}");
        let own = site.path().join("platform.db").display().to_string();
        assert!(error.contains("[another-store]") && error.contains("PCD_STORE_URL names"), "{error}");
        assert!(error.contains(&drill.display().to_string()), "{error}");
        assert!(error.contains(&own), "{error}");
        assert!(error.contains("--offline") && error.contains("--running"), "{error}");
    }
    assert_eq!(status_of(&platform, "PUMP-1"), "active");

    // The same folder of state, and another file of configuration with another store.
    let second = site.path().join("second.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&second, text.replace("sqlite:platform.db", &copy)).unwrap();
    let (exit, _, error) = run(&second, &[], &["device", "suspend", "PUMP-1"]);
    assert_eq!(exit, Some(1), "{error}");
    assert!(error.contains("second.toml names the file"), "{error}");
    let (_, printed, _) = run(&second, &[], &["doctor"]);
    assert!(printed.contains("pcd-platform help another-store"), "{printed}");
    let (_, printed, error) = run(&second, &[], &["status"]);
    assert!(printed.contains("1 in the directory") && error.contains("another-store"), "{printed}{error}");

    // What was meant: the copy, or the running platform.
    let (exit, printed, error) = run(&config, &other, &["device", "list", "--offline"]);
    assert!(exit == Some(0) && printed.contains("PUMP-1"), "{error}");
    let (exit, _, error) = run(&config, &other, &["device", "suspend", "PUMP-1", "--running"]);
    assert_eq!(exit, Some(0), "{error}");
    assert_eq!(status_of(&platform, "PUMP-1"), "suspended");
    platform.stop();
}

#[test]
fn the_same_store_by_another_path_is_no_other_store() {
    let site = Site::new();
    let platform = site.start();
    let config = site.path().join("platform.toml");
    let (_, shown, _) = run(&config, &[], &["--json", "config", "show"]);
    let line = shown.lines().find(|line| line.contains("\"store.url\"")).unwrap();
    let url = serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_str().unwrap().to_owned();
    let file = Path::new(url.strip_prefix("sqlite:").unwrap());
    let link = site.path().join("link.db");
    std::os::unix::fs::symlink(file, &link).unwrap();
    for url in [url.clone(), format!("sqlite:{}", link.display()), format!("sqlite://{}", file.display())] {
        let (exit, _, error) = run(&config, &[("PCD_STORE_URL", &url)], &["device", "list"]);
        assert_eq!(exit, Some(0), "{url}: {error}");
    }
    platform.stop();
}

#[test]
fn a_platform_whose_environment_names_the_store_is_meant_by_those_who_read_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("elsewhere.db").display());
    let site = Site::new().with_environment("PCD_STORE_URL", url.clone().into());
    let platform = site.start();
    let config = site.path().join("platform.toml");
    let (exit, _, error) = run(&config, &[], &["device", "list"]);
    assert_eq!(exit, Some(0), "{error}");
    let copied = site.path().join("copied.toml");
    std::fs::copy(&config, &copied).unwrap();
    let (exit, _, error) = run(&copied, &[], &["device", "list"]);
    assert!(exit == Some(1) && error.contains("another-store"), "{error}");
    platform.stop();
}

#[test]
fn the_same_database_by_another_user_host_or_password_is_no_other_store() {
    let site = Site::on_postgres();
    let platform = site.start();
    let config = site.path().join("platform.toml");
    let url = site.database().unwrap();
    let (place, _) = url.split_once('?').unwrap_or((&url, ""));
    let (_, database) = place.rsplit_once('/').unwrap();
    let port = platform_port(place);
    for same in [
        format!("postgres://another:s3cret@localhost:{port}/{database}"),
        format!("postgres://another:s3cret@127.0.0.1:{port},192.0.2.1/{database}?sslmode=require"),
        format!("postgres://another@%2Ftmp:{port}/{database}"),
    ] {
        let (exit, _, error) = run(&config, &[("PCD_STORE_URL", &same)], &["device", "list"]);
        assert_eq!(exit, Some(0), "{same}: {error}");
    }
    let drill = format!("postgres://another:s3cret@localhost:{port}/drill");
    let (exit, _, error) = run(&config, &[("PCD_STORE_URL", &drill)], &["device", "list"]);
    assert!(exit == Some(1) && error.contains("the database drill"), "{error}");
    assert!(!error.contains("s3cret") && !error.contains("is not known"), "{error}");
    let unclear = format!("postgres://another:s3cret@192.0.2.1/{database}");
    let (exit, _, error) = run(&config, &[("PCD_STORE_URL", &unclear)], &["device", "list"]);
    assert!(exit == Some(1) && error.contains("is not known"), "{error}");
    platform.stop();
}

fn platform_port(place: &str) -> u16 {
    let host = place.rsplit_once('/').map_or(place, |(host, _)| host);
    host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5432)
}
