//! Who is admitted on the operator's side, and what each role may do.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Platform, Site, tool};

/// Accounts that the machine does not list: one for each role, one without, one outside of the group.
pub const VIEWER: u32 = 4_000_001;
pub const CLINICAL: u32 = 4_000_002;
pub const OPERATOR: u32 = 4_000_003;
pub const ADMIN: u32 = 4_000_004;
const NO_ROLE: u32 = 4_000_005;
pub const GROUP: u32 = 4_000_990;

/// A site whose socket members of [`GROUP`] reach; `None` without the right to run as other users.
pub fn site_with_roles() -> Option<Site> {
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
            .with("admin.roles", &format!("clinical = [\"user:{CLINICAL}\"]"))
            .with("admin.roles", &format!("operator = [\"user:{OPERATOR}\"]"))
            .with("admin.roles", &format!("admin = [\"user:{ADMIN}\"]")),
    )
}

/// A request over the socket as another user, who is in these groups: status and body; 0 when the socket
/// cannot be reached.
pub fn ask_as(platform: &Platform, user: u32, groups: &[u32], words: &[&str]) -> (u16, String) {
    let mut curl = tool("curl", "curl");
    let socket = platform.socket.as_ref().unwrap();
    curl.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}", "--unix-socket"]).arg(socket);
    curl.args(words).stdin(Stdio::null()).uid(user).gid(groups[0]);
    let output = curl.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn get_as(platform: &Platform, user: u32, path: &str) -> u16 {
    ask_as(platform, user, &[GROUP], &[&format!("http://localhost{path}")]).0
}

/// The status of a search for a patient.
fn search_as(platform: &Platform, user: u32) -> u16 {
    let body = r#"{"patient": "4711", "reason": "transfer"}"#;
    let kind = "Content-Type: application/json";
    let url = "http://localhost/api/messages/search";
    ask_as(platform, user, &[GROUP], &["--header", kind, "--data", body, url]).0
}

fn problem(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no problem: {body}"))
}

#[test]
fn over_tcp_no_client_is_known_and_only_health_metrics_and_help_are_answered() {
    let site = Site::new();
    let platform = site.start();
    for path in ["/livez", "/readyz", "/metrics", "/help", "/help/role-missing"] {
        assert_eq!(platform.get(path).0, 200, "{path}");
    }
    for path in
        ["certificates", "audit", "devices", "findings", "messages", "outbox", "sessions", "status", "store"]
    {
        let request = format!("GET /api/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = platform.ask_tcp(&request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let problem = problem(body);
        assert_eq!((&problem["type"], &problem["status"]), (&"/help/not-admitted".into(), &401.into()));
        assert!(problem["detail"].as_str().unwrap().contains("admin.roles"), "{problem}");
    }
    let reload = "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n";
    for more in ["", "X-Remote-User: root\r\n", "X-Forwarded-User: root\r\nForwarded: for=127.0.0.1\r\n"] {
        let answer = platform.ask_tcp(&format!("{reload}{more}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 401 "), "{more}: {answer}");
    }
    assert_eq!(platform.metric("pcd_audit_events_total{event=\"configuration-changed\"}"), 0.0);
    platform.stop();
}

#[test]
fn each_role_reaches_what_it_may_and_nothing_else() {
    let Some(site) = site_with_roles() else { return };
    let platform = site.start();
    let reload =
        |user| ask_as(&platform, user, &[GROUP], &["--request", "POST", "http://localhost/reload"]).0;
    for user in [VIEWER, CLINICAL, OPERATOR, ADMIN] {
        for path in ["/api/devices", "/api/messages", "/api/outbox", "/api/audit", "/api/status"] {
            assert_eq!(get_as(&platform, user, path), 200, "{user} {path}");
        }
        assert_eq!(reload(user), if user == ADMIN { 200 } else { 403 }, "{user}");
        // To find the messages of a patient is a look at content.
        let search = search_as(&platform, user);
        assert_eq!(search, if user == CLINICAL { 200 } else { 403 }, "{user}");
        assert_eq!(get_as(&platform, user, "/messages/search"), search, "{user}");
    }
    let words = ["--request", "POST", "http://localhost/reload"];
    let (_, body) = ask_as(&platform, VIEWER, &[GROUP], &words);
    let problem = problem(&body);
    assert_eq!(problem["code"], "role-missing");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("needs the role admin") && detail.contains("viewer"), "{detail}");

    let row = platform.cli().json(&["audit", "list", "--event", "configuration-changed"]).remove(0);
    assert_eq!(row["details"]["person"], format!("uid {ADMIN}"), "{row}");
    platform.stop();
}

#[test]
fn an_account_without_a_role_or_outside_of_the_group_is_not_admitted() {
    let Some(site) = site_with_roles() else { return };
    let platform = site.start();
    assert_eq!(get_as(&platform, NO_ROLE, "/api/devices"), 401);
    assert_eq!(get_as(&platform, NO_ROLE, "/livez"), 200);
    // The permissions of the socket: this account has a role, and is not in the group.
    assert_eq!(ask_as(&platform, OPERATOR, &[GROUP + 1], &["http://localhost/api/devices"]).0, 0);

    // A role that is taken away ends with the reload, also for those who are connected.
    let site = site.with("admin.roles", "viewer = []");
    site.write_configuration();
    assert_eq!(ask_as(&platform, ADMIN, &[GROUP], &["--request", "POST", "http://localhost/reload"]).0, 200);
    assert_eq!(get_as(&platform, VIEWER, "/api/devices"), 401);
    platform.stop();
}

#[test]
fn a_group_gives_its_members_a_role() {
    let Some(site) = site_with_roles() else { return };
    let site = site.with("admin.roles", &format!("operator = [\"group:{GROUP}\"]"));
    let platform = site.start();
    assert_eq!(get_as(&platform, NO_ROLE, "/api/devices"), 200);
    platform.stop();
}

#[test]
fn a_browser_changes_something_over_a_forwarded_socket_only_with_the_token_of_its_page() {
    let site = Site::new();
    let platform = site.start();
    let reload = |headers: &str| {
        let answer = platform.ask(&format!(
            "POST /reload HTTP/1.1\r\nHost: localhost:9575\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        ));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse::<u16>().unwrap(), body.to_owned())
    };
    let own = "Origin: http://localhost:9575\r\nSec-Fetch-Site: same-origin\r\n";
    for headers in [
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: http://localhost:8080\r\n".to_owned(),
        "Origin: http://localhost:9575\r\nSec-Fetch-Site: cross-site\r\n".to_owned(),
        "Referer: http://localhost:9575/\r\n".to_owned(),
        own.to_owned(),
        format!("{own}X-CSRF-Token: 00\r\n"),
    ] {
        let (status, body) = reload(&headers);
        assert_eq!((status, &problem(&body)["code"]), (403, &"web-page".into()), "{headers}");
    }
    assert_eq!(reload("").0, 200, "a program is no browser");
    assert_eq!(platform.metric("pcd_admin_refusals_total{reason=\"web-page\"}"), 6.0);
    platform.stop();
}

#[test]
fn every_response_carries_the_id_under_which_the_log_has_the_request() {
    let site = Site::new();
    let platform = site.start();
    for request in [
        "GET /livez HTTP/1.1\r\n",
        "GET /api/devices HTTP/1.1\r\n",
        "GET /nothing HTTP/1.1\r\n",
        "GET /reload HTTP/1.1\r\n",
        "GET /api/audit?limit=x HTTP/1.1\r\nX-Request-Id: mine\r\n",
    ] {
        let answer = platform.ask(&format!("{request}Host: localhost\r\nConnection: close\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id");
        assert!(id.len() == 32 && platform.log().contains(id), "{id}");
        assert!(head.contains("cache-control: no-store") && head.contains("x-content-type-options: nosniff"));
        if !head.starts_with("HTTP/1.1 200") {
            let problem = problem(body);
            assert_eq!(problem["request-id"], id, "{problem}");
            let status = u64::from(head[9..12].parse::<u16>().unwrap());
            assert_eq!(problem["status"], status, "{problem}");
            let help = problem["type"].as_str().unwrap();
            assert_eq!(platform.get(help).0, 200, "{help}");
        }
    }
    platform.stop();
}
