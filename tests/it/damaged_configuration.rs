//! A mistake in the configuration of a platform that runs: what people look at goes on, and names it.

use serde_json::Value;

use crate::harness::{Cli, Site};

#[test]
fn a_mistake_in_the_file_hides_nothing_of_a_platform_that_runs() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP-1", &[]);
    let config = site.path().join("platform.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    for (mistake, part) in
        [("nonsense = 3\n", "nonsense"), ("[store\n", "line 1"), ("x = \"s3cret\n", "line 1")]
    {
        std::fs::write(&config, format!("{mistake}{text}")).unwrap();
        let (exit, printed, error) = platform.cli().try_run(&["status"]);
        assert!([Some(1), Some(2)].contains(&exit.code()), "{printed}{error}");
        assert!(printed.contains("devices: 1 in the directory"), "{printed}{error}");
        assert!(printed.contains("pcd-platform help config-syntax") && printed.contains(part), "{printed}");
        let (_, printed, _) = platform.cli().try_run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&printed).unwrap();
        let finding =
            status["findings"].as_array().unwrap().iter().find(|one| one["code"] == "config-syntax");
        assert!(finding.is_some_and(|finding| finding["severity"] == "attention"), "{printed}");
        let (_, printed, _) = platform.cli().try_run(&["status", "--format", "nagios"]);
        assert!(printed.contains("config-syntax"), "{printed}");

        let (exit, printed, error) = platform.cli().try_run(&["doctor"]);
        assert_eq!(exit.code(), Some(2), "{printed}{error}");
        assert!(
            printed.contains("error    configuration: ") && printed.contains("it runs, with"),
            "{printed}"
        );
        let (exit, printed, error) = platform.cli().try_run(&["page"]);
        assert!(exit.success() && printed.starts_with("http"), "{error}");
        assert!(error.contains("asked all the same") && error.contains(part), "{error}");
        let (exit, printed, error) = platform.cli().try_run(&["device", "list"]);
        assert!(exit.success() && printed.contains("PUMP-1") && error.contains(part), "{error}");

        let bundle = site.path().join("bundle.tar");
        let target = bundle.display().to_string();
        let (exit, printed, error) = platform.cli().try_run(&["support-bundle", &target, "--redact"]);
        assert!(exit.success(), "{error}");
        assert!(printed.contains("effective configuration: not there"), "{printed}");
        let bytes = String::from_utf8_lossy(&std::fs::read(&bundle).unwrap()).into_owned();
        assert!(bytes.contains("config-syntax") && bytes.contains("pcd_messages_total"), "{part}");
        assert!(!bytes.contains("s3cret") && !printed.contains("s3cret") && !error.contains("s3cret"));
        std::fs::remove_file(&bundle).unwrap();
    }
    std::fs::write(&config, text).unwrap();
    platform.stop();
}

#[test]
fn without_a_platform_a_mistake_in_the_file_is_the_error() {
    let site = Site::new();
    let cli = Cli::of(&site);
    let config = site.path().join("platform.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("nonsense = 3\n{text}")).unwrap();
    for words in [&["status"][..], &["doctor"], &["page"], &["device", "list"]] {
        let (exit, printed, error) = cli.try_run(words);
        assert_eq!((exit.code(), printed.as_str()), (Some(78), ""), "{words:?}: {error}");
        assert!(error.contains("nonsense") && error.contains("help config-syntax"), "{words:?}: {error}");
    }
}
