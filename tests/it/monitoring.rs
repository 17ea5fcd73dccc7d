//! Alert rules and dashboards, by the programs that read them: every rule fires and stays silent in
//! `promtool test rules`, and every expression finds a series in a real scrape of a platform.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use pcd_platform::finding::{alert_help_pages, help_pages};
use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Site, Wire, eventually, fixed_address, framed, message, monitoring_tool, wait_for};

const NAME: &str = "00A037FFFE000001";
const DASHBOARDS: [&str; 3] = ["pcd-overview.json", "pcd-trust.json", "pcd-store.json"];

fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn rules() -> String {
    fs::read_to_string(deployed("prometheus/alerts.yml")).unwrap()
}

/// The name and the expression of each rule.
fn alerts() -> Vec<(String, String)> {
    let text = rules();
    let rules = text.split("\n  - alert: ").skip(1);
    rules
        .map(|rule| {
            let (name, rest) = rule.split_once('\n').unwrap();
            let (_, expression) = rest.split_once("expr: >-\n").unwrap();
            let lines = expression.lines().take_while(|line| line.starts_with("      "));
            (name.to_owned(), lines.map(str::trim).collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// The vector selectors of an expression, without ranges, offsets and comparisons.
fn selectors(expression: &str) -> Vec<String> {
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(begin) = rest.find(is_name) {
        let word = rest[begin..].split(|letter| !is_name(letter)).next().unwrap();
        rest = &rest[begin + word.len()..];
        let labels = rest.strip_prefix('{').and_then(|labels| labels.split_once('}'));
        let matchers = labels.map(|(matchers, _)| format!("{{{matchers}}}")).unwrap_or_default();
        rest = &rest[matchers.len()..];
        if word == "up" || word.starts_with("pcd_") || word.starts_with("process_") {
            found.push(format!("{word}{matchers}"));
        }
    }
    found
}

/// The expressions of a dashboard, with its variables replaced.
fn expressions(dashboard: &str) -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let text = fs::read_to_string(deployed("grafana").join(dashboard)).unwrap();
    let mut found = Vec::new();
    collect(&serde_json::from_str(&text).unwrap(), &mut found);
    found.iter().map(|text| text.replace("$instance", ".*").replace("$__rate_interval", "1m")).collect()
}

/// A Prometheus that scrapes a platform every two seconds, which is also how long a scrape may take.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(site: &Site, target: SocketAddr) -> Self {
        let address = fixed_address();
        let config = site.path().join("prometheus.yml");
        let rules = deployed("prometheus/alerts.yml");
        let text = format!(
            "global: {{scrape_interval: 2s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
             scrape_configs:\n- job_name: pcd-platform\n  static_configs:\n  - targets: ['{target}']\n",
            rules.display()
        );
        fs::write(&config, text).unwrap();
        let child = monitoring_tool("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", site.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(site.path().join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    /// `GET path`; `None` while it does not answer yet.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// How many series an expression has at this moment.
    fn series(&self, expression: &str) -> usize {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let Some(answer) = self.get(&format!("/api/v1/query?query={encoded}")) else { return 0 };
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().len()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_expression_of_alerts_and_dashboards_finds_series_in_a_real_scrape() {
    let site = Site::new().with("fhir", "enabled = true");
    let platform = site.start();
    platform.admit(NAME, &[]);
    platform.cli().run(&["organisation", "add", "Lab", "--oid", "1.2.3.4"]);
    platform.cli().run(&["subscription", "add", "lab", "--organisation", "1.2.3.4"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2", "3"] {
        wire.write(&framed(&message(NAME, id)));
        assert_eq!(wire.verdict().0, "CA");
    }
    let prometheus = Prometheus::start(&site, platform.admin);
    eventually("three scrapes", || prometheus.series("count_over_time(pcd_info[1m]) >= 3") == 1);
    wire.write(&framed(&message(NAME, "4")));
    assert_eq!(wire.verdict().0, "CA");

    let alerts = alerts();
    assert!(alerts.len() >= 34);
    let of_alerts = alerts.iter().flat_map(|(name, expression)| {
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{name}: {expression}");
        selectors
    });
    let of_dashboards = DASHBOARDS.iter().flat_map(|dashboard| {
        let found = expressions(dashboard);
        assert!(found.len() >= 12, "{dashboard}");
        found
    });
    let all: BTreeSet<_> = of_alerts.chain(of_dashboards).collect();
    let empty = || -> Vec<_> {
        all.iter().filter(|expression| prometheus.series(expression) == 0).cloned().collect()
    };
    wait_for("each expression has a series", empty, Vec::is_empty);

    // The rules are evaluated, and a platform that is well is not reported.
    eventually("all rules are evaluated", || {
        let answer = prometheus.get("/api/v1/rules").unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        rules.len() == alerts.len() && rules.iter().all(|rule| rule["health"] == "ok")
    });
    let known = ["PcdStapleMissing", "PcdBackupOld"];
    let firing = prometheus.get("/api/v1/alerts").unwrap();
    let firing = firing["data"]["alerts"].as_array().unwrap();
    // What a busy machine, or one with a full disk, makes of a platform that is well; not for long enough.
    let of_the_machine = ["PcdPlatformDown", "PcdStoreSlow", "PcdDiskFilling"];
    let is_expected = |alert: &&Value| {
        let name = alert["labels"]["alertname"].as_str().unwrap();
        known.contains(&name) || (alert["state"] == "pending" && of_the_machine.contains(&name))
    };
    let unexpected: Vec<_> = firing.iter().filter(|alert| !is_expected(alert)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn selectors_are_found_in_expressions() {
    let expression =
        "sum by (instance) (increase(pcd_a_total{x=~\"a|b\",y=\"c\"}[1h])) > 0.5 * up and pcd_b offset 5m";
    assert_eq!(selectors(expression), ["pcd_a_total{x=~\"a|b\",y=\"c\"}", "up", "pcd_b"]);
}

/// Runs a checker of the monitoring programs, which has to be content.
fn content(program: &str, words: &[&str], file: &Path) -> String {
    let output = monitoring_tool(program).args(words).arg(file).output().unwrap();
    let reported = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{program} {words:?}: {reported}");
    reported
}

#[test]
fn each_rule_fires_and_stays_silent_in_its_tests() {
    let reported = content("promtool", &["check", "rules"], &deployed("prometheus/alerts.yml"));
    assert!(reported.contains(&format!("{} rules found", alerts().len())), "{reported}");
    content("promtool", &["test", "rules"], &deployed("prometheus/alerts.test.yml"));
    let tests = fs::read_to_string(deployed("prometheus/alerts.test.yml")).unwrap();
    for (name, _) in alerts() {
        let fires = format!("- name: {name} fires\n");
        let silent = format!("- name: {name} stays silent\n");
        let case = |begin: &str| tests.split_once(begin).unwrap().1.split("\n- name: ").next().unwrap();
        assert!(
            case(&fires).contains(&format!("alertname: {name}\n    exp_alerts:\n    - exp_labels")),
            "{name}"
        );
        assert!(case(&silent).contains(&format!("alertname: {name}, exp_alerts: []")), "{name}");
    }
}

#[test]
fn each_rule_has_a_page_with_the_next_step_and_each_page_a_rule() {
    let (text, named) = (rules(), alerts().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>());
    let pages: BTreeSet<_> = alert_help_pages().iter().map(|page| page.code.to_owned()).collect();
    assert_eq!(pages, named);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<_> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(files, named);
    for page in alert_help_pages() {
        assert!(text.contains(&format!("help: /help/alerts/{}\n", page.code)), "{}", page.code);
        assert!(page.text.starts_with(&format!("# {}\n\n", page.code)), "{}", page.code);
        assert!(page.text.contains("\n## What to do\n\n"), "{}", page.code);
        for link in page.text.split("](../help/").skip(1).filter_map(|rest| rest.split(".md)").next()) {
            assert!(help_pages().iter().any(|known| known.code == link), "{}: {link}", page.code);
        }
    }
    let platform_site = Site::new();
    let platform = platform_site.start();
    let (status, served) = platform.get("/help/alerts/PcdDeviceSilent");
    assert!(status == 200 && served.contains("# PcdDeviceSilent"), "{served}");
    assert_eq!(platform.get("/help/alerts/NoSuchAlert").0, 404);
    assert!(platform.cli().run(&["help", "PcdDeviceSilent"]).starts_with("# PcdDeviceSilent\n"));
}

#[test]
fn amtool_accepts_the_example_of_routes_and_each_audience_has_one() {
    content("amtool", &["check-config"], &deployed("alertmanager/example.yml"));
    let (routes, text) = (fs::read_to_string(deployed("alertmanager/example.yml")).unwrap(), rules());
    for audience in text.split("audience: ").skip(1).filter_map(|rest| rest.split('}').next()) {
        assert!(routes.contains(&format!("- name: {audience}\n")), "{audience}");
    }
}
