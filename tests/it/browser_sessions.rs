//! Browsers: links, sessions, cookies and tokens.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use crate::harness::{Platform, SOON, Site, eventually, tool};

/// A response over TCP: status, head and body.
fn http(platform: &Platform, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    let answer = platform.ask_tcp(&format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n",
        platform.admin
    ));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

/// The path and query of a new link.
fn link(platform: &Platform) -> String {
    let link = platform.cli().json(&["page"]).remove(0);
    assert_eq!(link["valid-seconds"], 60);
    let url = link["url"].as_str().unwrap();
    url.strip_prefix(&format!("http://{}", platform.admin)).expect("a loopback link").to_owned()
}

/// The header with the cookie of a new session.
fn log_in(platform: &Platform) -> String {
    let (status, head, _) = http(platform, "GET", &link(platform), "");
    assert_eq!(status, 303, "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    assert!(head.contains("location: /\r\n") && head.contains("referrer-policy: no-referrer"), "{head}");
    format!("Cookie: {pair}\r\n")
}

#[test]
fn a_link_begins_one_session_and_logout_ends_it() {
    let site = Site::new();
    let platform = site.start();
    let path = link(&platform);
    let (status, head, _) = http(&platform, "GET", &path, "");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(status, 303);
    assert_eq!(http(&platform, "GET", &path, "").0, 401, "the link is used");
    assert_eq!(http(&platform, "GET", "/enter?secret=00", "").0, 401);
    assert_eq!(platform.metric("pcd_admin_refusals_total{reason=\"secret\"}"), 2.0);

    assert_eq!(http(&platform, "GET", "/api/devices", &cookie).0, 200);
    assert_eq!(http(&platform, "GET", "/api/devices", "").0, 401);
    assert_eq!(http(&platform, "GET", "/api/devices", "Cookie: pcd-session=00\r\n").0, 401);
    // Links are given out over the socket only.
    let own = format!("{cookie}Origin: http://{0}\r\n", platform.admin);
    assert_eq!(http(&platform, "POST", "/api/page-links", &own).0, 403);

    let token = form_token(&platform, &cookie);
    let headers = format!("{own}X-CSRF-Token: {token}\r\n");
    assert_eq!(http(&platform, "POST", "/api/page-links", &headers).0, 409);
    assert_eq!(http(&platform, "POST", "/logout", &headers).0, 303);
    assert_eq!(http(&platform, "GET", "/api/devices", &cookie).0, 401);
    let rows = platform.cli().json(&["audit", "list", "--event", "person-logged-out"]);
    assert_eq!(rows[0]["details"]["why"], "requested", "{rows:?}");
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "person-logged-in"]).len(), 1);
    platform.stop();
}

// Previews and prefetches of browsers and chat programs open links before a person does.
#[test]
fn a_link_that_is_only_looked_at_goes_on_to_count() {
    let site = Site::new();
    let platform = site.start();
    let path = link(&platform);
    for (method, headers) in
        [("HEAD", ""), ("GET", "Sec-Purpose: prefetch;prerender\r\n"), ("GET", "X-Moz: prefetch\r\n")]
    {
        let (status, head, _) = http(&platform, method, &path, headers);
        assert_eq!((status, head.contains("set-cookie")), (409, false), "{method} {headers}");
    }
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "person-logged-in"]).len(), 0);
    assert_eq!(http(&platform, "GET", &path, "").0, 303);
    platform.stop();
}

#[test]
fn a_link_counts_for_its_account_only_and_another_one_does_not_use_it_up() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    let platform = site.start();
    let path = link(&platform);
    let mut curl = tool("curl", "curl");
    curl.args(["--silent", "--include", "--max-time", "20"]).uid(4_000_009).gid(4_000_009);
    let answer = curl.arg(format!("http://{}{path}", platform.admin)).output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 401 ") && !answer.contains("set-cookie"), "{answer}");
    assert!(answer.contains("another") || answer.contains("still counts"), "{answer}");
    assert_eq!(platform.metric("pcd_admin_refusals_total{reason=\"other-account\"}"), 1.0);
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "person-logged-in"]).len(), 0);
    // Its owner comes in with it.
    assert_eq!(http(&platform, "GET", &path, "").0, 303);
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "person-logged-in"]).len(), 1);
    platform.stop();
}

/// A session that begins and ends.
pub fn log_in_and_out(platform: &Platform) {
    let cookie = log_in(platform);
    let token = form_token(platform, &cookie);
    let headers = format!("{cookie}Origin: http://{}\r\nX-CSRF-Token: {token}\r\n", platform.admin);
    assert_eq!(http(platform, "POST", "/logout", &headers).0, 303);
}

/// The token that pages of the session have.
fn form_token(platform: &Platform, cookie: &str) -> String {
    let (status, _, body) = http(platform, "GET", "/api/person", cookie);
    assert_eq!(status, 200, "{body}");
    let person: serde_json::Value = serde_json::from_str(&body).unwrap();
    person["form-token"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_changes_something_only_with_the_token_of_its_page() {
    let site = Site::new();
    let platform = site.start();
    let (cookie, other) = (log_in(&platform), log_in(&platform));
    let own = format!("{cookie}Origin: http://{}\r\n", platform.admin);
    let token = form_token(&platform, &cookie);
    let reload = |headers: &str| http(&platform, "POST", "/reload", headers).0;
    for refused in [
        cookie.clone(),
        own.clone(),
        format!("{own}X-CSRF-Token: \r\n"),
        format!("{own}X-CSRF-Token: {}\r\n", form_token(&platform, &other)),
        format!("{cookie}X-CSRF-Token: {token}\r\nOrigin: http://evil.example\r\n"),
        format!("{own}X-CSRF-Token: {token}\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        assert_eq!(reload(&refused), 403, "{refused}");
    }
    assert_eq!(reload(&format!("{own}X-CSRF-Token: {token}\r\nSec-Fetch-Site: same-origin\r\n")), 200);
    // A form sends it as a field.
    let form = format!("csrf={token}");
    let answer = platform.ask_tcp(&format!(
        "POST /reload HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{own}Content-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        platform.admin,
        form.len()
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    platform.stop();
}

#[test]
fn the_cookie_of_a_session_counts_only_for_the_account_that_began_it() {
    let site = Site::new();
    let platform = site.start();
    let cookie = log_in(&platform);
    let ask_as = |user: Option<u32>| {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--max-time", "20", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        curl.args(["--header", cookie.trim_end()]).arg(format!("http://{}/api/devices", platform.admin));
        if let Some(user) = user {
            curl.uid(user).gid(user);
        }
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    assert_eq!(ask_as(None), "200");
    if rustix::process::geteuid().is_root() {
        assert_eq!(ask_as(Some(4_000_007)), "401");
        assert_eq!(platform.metric("pcd_admin_refusals_total{reason=\"other-account\"}"), 1.0);
    }
    platform.stop();
}

#[test]
fn a_session_that_is_not_used_ends_and_the_trail_says_so() {
    let site = Site::new().with("admin", "logoff = \"2s\"");
    let platform = site.start();
    let cookie = log_in(&platform);
    let live = format!("{cookie}Accept: text/event-stream\r\n");
    eventually("the session ends", || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        http(&platform, "GET", "/api/devices", &live).0 == 401
    });
    assert_eq!(http(&platform, "GET", "/api/devices", &cookie).0, 401);
    eventually("the trail has the end", || {
        let rows = platform.cli().json(&["audit", "list", "--event", "person-logged-out"]);
        rows.first().is_some_and(|row| row["details"]["why"] == "idle")
    });
    platform.stop();
}

/// Opens the stream of events of a page, and reads its first one.
fn watch(platform: &Platform, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(platform.admin).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let (host, accept) = (platform.admin, "Accept: text/event-stream");
    write!(stream, "GET /live HTTP/1.1\r\nHost: {host}\r\n{accept}\r\n{cookie}\r\n").unwrap();
    let mut read = Vec::new();
    while !read.windows(6).any(|window| window == b"data: ") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
    }
    stream
}

/// Whether the stream ends within a minute; one that nothing ends goes on for four.
fn stream_ends(stream: &mut TcpStream) -> bool {
    let (began, mut read, mut piece) = (Instant::now(), Vec::new(), [0; 1024]);
    while began.elapsed() < Duration::from_mins(1) {
        // The connection may stay open behind the last chunk.
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(length) => read.extend_from_slice(&piece[..length]),
            Err(error) => panic!("no event: {error}"),
        }
        if read.ends_with(b"\r\n0\r\n\r\n") {
            return true;
        }
    }
    false
}

#[test]
fn the_live_stream_of_a_session_ends_with_it() {
    let site = Site::new();
    let platform = site.start();
    let cookie = log_in(&platform);
    let mut stream = watch(&platform, &cookie);
    let token = form_token(&platform, &cookie);
    let headers = format!("{cookie}Origin: http://{}\r\nX-CSRF-Token: {token}\r\n", platform.admin);
    assert_eq!(http(&platform, "POST", "/logout", &headers).0, 303);
    assert!(stream_ends(&mut stream), "after the logout");
    platform.stop();

    let site = Site::new().with("admin", "logoff = \"10s\"");
    let platform = site.start();
    let cookie = log_in(&platform);
    let mut stream = watch(&platform, &cookie);
    assert!(stream_ends(&mut stream), "after the automatic logoff");
    assert_eq!(http(&platform, "GET", "/api/devices", &cookie).0, 401);
    platform.stop();
}

#[test]
fn the_listener_for_probes_serves_nothing_else() {
    let site = Site::new().with("admin", "health-listen = \"127.0.0.1:0\"");
    let platform = site.start();
    let cookie = log_in(&platform);
    let ask = |method: &str, path: &str| {
        let mut stream = std::net::TcpStream::connect(platform.health.unwrap()).unwrap();
        std::io::Write::write_all(
            &mut stream,
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{cookie}Content-Length: 0\r\n\r\n").as_bytes(),
        )
        .unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask("GET", path), 200, "{path}");
    }
    for path in ["/", "/api/devices", "/api/person", "/help", "/enter?secret=00"] {
        assert_eq!(ask("GET", path), 404, "{path}");
    }
    for path in ["/reload", "/logout", "/api/devices/PUMP/suspend"] {
        assert_eq!(ask("POST", path), 404, "{path}");
    }
    platform.stop();
}

#[test]
fn the_page_of_a_problem_names_its_reader_who_can_log_out() {
    let site = Site::new();
    let platform = site.start();
    let cookie = log_in(&platform);
    let headers = format!("{cookie}Accept: text/html\r\n");
    let person = http(&platform, "GET", "/api/person", &cookie).2;
    let person: serde_json::Value = serde_json::from_str(&person).unwrap();
    let reader = format!("{} (", person["name"].as_str().unwrap());
    // Not found, an address that cannot be read, and a form without its token.
    for (method, path, status) in
        [("GET", "/nothing", 404), ("GET", "/trust?x=1", 400), ("POST", "/system/reload", 403)]
    {
        let (found, _, page) = http(&platform, method, path, &headers);
        assert_eq!(found, status, "{path}: {page}");
        assert!(page.contains("action=\"/logout\"") && page.contains(&reader), "{path}: {page}");
    }
    let (_, _, page) = http(&platform, "GET", "/devices", "Accept: text/html\r\n");
    assert!(!page.contains("action=\"/logout\""), "a stranger has no session: {page}");
}
