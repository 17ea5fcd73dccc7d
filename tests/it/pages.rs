//! The pages for operators: what each says, where its numbers lead, and what it must not say.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Platform, SOON, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

/// `GET path` as a browser asks: status, head and body.
pub fn open(platform: &Platform, path: &str) -> (u16, String, String) {
    let host = platform.admin;
    let accept = "Accept: text/html,application/xhtml+xml";
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{accept}\r\nConnection: close\r\n\r\n");
    split(&platform.ask(&request))
}

/// Sends a form.
pub fn post(platform: &Platform, path: &str, form: &str) -> (u16, String, String) {
    let (host, length) = (platform.admin, form.len());
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/html";
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: {length}");
    split(&platform.ask(&format!("{head}\r\nConnection: close\r\n\r\n{form}")))
}

fn split(answer: &str) -> (u16, String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn page(platform: &Platform, path: &str) -> String {
    let (status, _, body) = open(platform, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// The id of the newest message.
fn newest(platform: &Platform) -> String {
    let (_, body) = platform.get("/api/messages?limit=1");
    let all: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    all[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_page_has_a_title_its_headers_and_nothing_from_elsewhere() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let of_message = format!("/messages/{}", newest(&platform));
    for (path, title) in [
        ("/", "need"),
        ("/messages", "Messages"),
        ("/messages/search", "Search"),
        (of_message.as_str(), NAME),
        ("/orders", "Orders"),
        ("/audit", "Audit trail"),
        ("/system", "System"),
        ("/help", "Help"),
        ("/help/unknown-device", "unknown-device"),
    ] {
        let (status, head, body) = open(&platform, path);
        assert_eq!(status, 200, "{path}: {body}");
        let begin = body.find("<title>").unwrap() + 7;
        let shown = body[begin..].split("</title>").next().unwrap();
        assert!(shown.contains(title), "{path}: {shown}");
        for header in [
            "content-type: text/html; charset=utf-8",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path}: {header} is not in\n{head}");
        }
        assert!(body.starts_with("<!doctype html>\n<html lang=\"en\">"), "{path}");
        // No address of another host, and no style or script but the two files.
        for attribute in ["href=\"", "src=\"", "action=\""] {
            for address in body.split(attribute).skip(1) {
                let is_ours = ["/", "#", "data:"].iter().any(|begin| address.starts_with(begin));
                assert!(is_ours && !address.starts_with("//"), "{path}: {address}");
            }
        }
        assert!(
            !body.contains(" style=") && !body.contains("<style") && !body.contains(" onclick"),
            "{path}"
        );
        assert_eq!(body.matches("<script").count(), 1, "{path}");
        assert_eq!((body.matches("<h1").count(), body.matches("<main").count()), (1, 1), "{path}");
        assert!(body.len() < 300_000, "{path}: {} bytes", body.len());
    }
    device.close().unwrap();
}

#[test]
fn every_link_of_every_page_leads_to_a_page() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    assert_eq!(device.code(message("00A037FFFE0000FF", "2")), "CR");
    let (mut open_paths, mut known) = (vec!["/".to_owned()], std::collections::BTreeSet::new());
    while let Some(path) = open_paths.pop() {
        if path.starts_with("/help/") && known.len() > 200 || !known.insert(path.clone()) {
            continue;
        }
        let (status, head, body) = open(&platform, &path);
        assert_eq!(status, 200, "{path}: {body}");
        if !head.contains("text/html") {
            continue;
        }
        let links = body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        for link in links.filter(|link| link.starts_with('/')) {
            let path = link.replace("&amp;", "&").replace("&#38;", "&");
            open_paths.push(path.split('#').next().unwrap().to_owned());
        }
    }
    for path in ["/devices", "/refusals", "/trust", "/messages?verdict=rejected&since=24h"] {
        assert!(known.contains(path), "{path} is linked from nowhere: {known:?}");
    }
    device.close().unwrap();
}

#[test]
fn a_rejected_message_names_its_reason_its_answer_and_the_identity_that_is_not_allowed() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message("00A037FFFE0000FF", "77")));
    assert_eq!(wire.verdict().0, "CR");
    let list = page(&platform, "/messages?verdict=rejected");
    assert!(list.contains("<code>77</code>") && list.contains("/help/identity-mismatch"), "{list}");
    let shown = page(&platform, &format!("/messages/{}", newest(&platform)));
    for part in ["rejected", "/help/identity-mismatch", "00A037FFFE0000FF", "not allowed", "> CR<"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let overview = page(&platform, "/");
    assert!(overview.contains("identity-mismatch 1"), "{overview}");
}

#[test]
fn a_silent_device_is_the_first_thing_on_the_overview() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let platform = site.start();
    platform.admit(NAME, &["--name", "Pump 7", "--ward", "ICU"]);
    assert!(page(&platform, "/").contains("<title>"));
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    eventually("the overview names the silent device", || {
        let overview = page(&platform, "/");
        let todo = overview.split("<ul class=\"todo\">").nth(1).unwrap_or_default();
        let first = todo.split("</li>").next().unwrap_or_default();
        first.contains(&format!("/devices/{NAME}"))
            && first.contains("/help/device-silent")
            && first.contains("Pump 7, ICU")
    });
}

#[test]
fn filters_that_cannot_be_used_and_things_that_are_not_there_say_so() {
    let site = Site::new();
    let platform = site.start();
    for (path, status, text) in [
        ("/messages?since=yesterday", 400, "24h"),
        ("/messages?verdict=perhaps", 400, "perhaps"),
        ("/messages?before=x", 400, "position"),
        ("/audit?event=foo", 400, "foo"),
        ("/trust?quarter=garbage", 400, "2026-Q4"),
        ("/trust?quarter=2026-Q5", 400, "2026-Q4"),
        ("/trust?month=2026-13", 400, "2026-12"),
        ("/trust.csv?quarter=2026", 400, "2026-Q4"),
        ("/orders?waiting=yes", 400, "waiting"),
        ("/devices?page=0", 400, "first page"),
        ("/system?x=1", 400, "known are: code"),
        ("/?patient=4711", 400, "no parameters"),
        ("/messages/nothing", 404, "no such message"),
        ("/orders?id=nothing", 404, "no such order"),
        ("/help/no-such-code", 404, "no such code"),
    ] {
        let (found, head, body) = open(&platform, path);
        assert_eq!(found, status, "{path}: {body}");
        assert!(head.contains("text/html") && body.contains(text), "{path}: {body}");
    }
}

#[test]
fn the_live_stream_has_an_event_when_something_has_changed() {
    let site = Site::new();
    let platform = site.start();
    let mut stream = UnixStream::connect(platform.socket.as_ref().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", platform.admin).unwrap();
    let mut read = String::new();
    let mut more = |stream: &mut UnixStream, events: usize| {
        while read.matches("data: ").count() < events {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the stream ended: {read}");
            read.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        read.clone()
    };
    let first = more(&mut stream, 1);
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    platform.admit(NAME, &[]);
    more(&mut stream, 2);
}

/// A message with a patient, a value, and a value that was withdrawn.
fn with_patient(control_id: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|MON^{NAME}^EUI-64||||20261128080000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE\r\
         PID|||4711^^^H^MR||GEHEIM^ANNA||19700101|F\r\
         OBR|1||F1^^{NAME}^EUI-64|69837^MDC_DEV_METER_PHYSIO_MULTI_PARAM_MDS^MDC|||20261128080000+0000\r\
         OBX|1|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.149530|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r\
         OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97|262688^MDC_DIM_PERCENT^MDC|||||W\r\
         NTE|1||Geheim is asleep\r"
    )
    .into_bytes()
}

#[test]
fn content_is_covered_until_a_reason_is_given_and_the_trail_says_who_looked() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&with_patient("1")));
    assert_eq!(wire.verdict().0, "CA");
    let path = format!("/messages/{}", newest(&platform));
    let covered = page(&platform, &path);
    for hidden in ["GEHEIM", "Geheim", "ANNA", "4711", ">71<", ">97<"] {
        assert!(!covered.contains(hidden), "{hidden} is in\n{covered}");
    }
    assert!(covered.contains("covered") && covered.contains("/min"), "{covered}");

    let ask = format!("{path}/content");
    for form in ["as=tree&reason=", "as=tree&reason=%20", "as=everything&reason=x"] {
        assert_eq!(post(&platform, &ask, form).0, 400, "{form}");
    }
    let viewed = || platform.cli().json(&["audit", "list", "--event", "message-viewed"]);
    assert!(viewed().is_empty(), "what was not shown is not recorded");

    let (status, head, values) = post(&platform, &ask, "as=tree&reason=alarm+at+bed+3");
    assert_eq!(status, 200, "{values}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(values.contains("<b>71</b>") && values.contains("<s>97</s>"), "{values}");
    assert!(!values.contains("GEHEIM") && !values.contains("Geheim"), "{values}");
    let (_, _, patient) = post(&platform, &ask, "as=tree-with-patient&reason=alarm+at+bed+3");
    assert!(patient.contains("GEHEIM") && patient.contains("4711"), "{patient}");
    let (_, _, patient) = post(&platform, &ask, "as=raw&reason=alarm+at+bed+3");
    assert!(patient.contains("GEHEIM") && patient.contains("<i>^</i>"), "{patient}");
    let viewed = viewed();
    assert_eq!(viewed.len(), 3, "{viewed:?}");
    for row in viewed {
        assert_eq!(row["details"]["reason"], "alarm at bed 3", "{row}");
        assert!(row["details"]["actor"].is_string(), "{row}");
    }
}

#[test]
fn without_a_person_only_help_and_the_files_of_pages_are_served() {
    let site = Site::new();
    let platform = site.start();
    let ask = |path: &str| {
        let host = platform.admin;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        split(&platform.ask_tcp(&request))
    };
    for path in [
        "/",
        "/devices",
        "/devices/X",
        "/refusals",
        "/messages",
        "/messages/search",
        "/messages/x",
        "/orders",
        "/trust",
        "/audit",
        "/system",
        "/live",
    ] {
        assert_eq!(ask(path).0, 401, "{path}");
    }
    let (status, _, help) = ask("/help");
    assert_eq!(status, 200);
    let style = help.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let (status, head, _) = ask(style);
    assert_eq!(status, 200);
    assert!(head.contains("text/css") && head.contains("immutable"), "{head}");
    assert_eq!(ask("/assets/style-000000000000.css").0, 404);
}

#[test]
fn an_operator_suspends_and_resumes_a_device_after_the_page_says_what_happens() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let of_device = format!("/devices/{NAME}");
    assert!(page(&platform, &of_device).contains(&format!("{of_device}/suspend")));
    let form = page(&platform, &format!("{of_device}/suspend"));
    for part in ["1 open session on this node", "suspended-device", "name=\"csrf\"", "method=\"post\""] {
        assert!(form.contains(part), "{part} is not in\n{form}");
    }
    let (status, head, _) = post(&platform, &format!("{of_device}/suspend"), "device=x");
    assert_eq!(status, 303, "{head}");
    assert!(head.contains(&format!("location: {}", of_device.to_ascii_lowercase())), "{head}");
    eventually("the page says that it is suspended", || {
        let shown = page(&platform, &of_device);
        shown.contains("</span> suspended</span>") && shown.contains(&format!("{of_device}/resume"))
    });
    assert_eq!(post(&platform, &format!("{of_device}/resume"), "").0, 303);
    eventually("it may connect again", || Device::connect(&site, platform.address, &own).is_ok());
    for event in ["device-suspended", "device-resumed"] {
        let rows = platform.cli().json(&["audit", "list", "--event", event]);
        assert_eq!(rows.len(), 1, "{event}");
        assert!(!rows[0]["details"]["actor"].as_str().unwrap().is_empty());
        assert!(page(&platform, &of_device).contains(event.trim_start_matches("device-")), "{event}");
    }
    assert_eq!(post(&platform, "/devices/ABSENT/suspend", "").0, 404);
}

#[test]
fn an_identity_that_was_rejected_is_allowed_by_one_form_and_patterns_are_not() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("GW-1", &["--kind", "gateway"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate("GW-1", KeyType::Ecc));
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CR");
    let shown = page(&platform, "/devices/GW-1");
    assert!(shown.contains("/devices/GW-1/allow?identity="), "{shown}");
    let form = page(&platform, &format!("/devices/GW-1/allow?identity={NAME}"));
    assert!(form.contains("the record of its patient"), "{form}");
    for pattern in ["*", "00A0*", ""] {
        assert_eq!(
            post(&platform, "/devices/GW-1/allow", &format!("identity={pattern}")).0,
            400,
            "{pattern}"
        );
    }
    assert_eq!(post(&platform, "/devices/GW-1/allow", &format!("identity={NAME}")).0, 303);
    let mut sent = 1;
    eventually("its messages are accepted", || {
        sent += 1;
        wire.write(&framed(&message(NAME, &sent.to_string())));
        wire.verdict().0 == "CA"
    });
}

#[test]
fn an_order_is_withdrawn_and_the_configuration_read_again_by_their_forms() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let file = site.path().join("order.hl7");
    let order = format!(
        "MSH|^~\\&|P|||{NAME}|20261128080000+0000||ORU^R40^ORU_R40|77|P|2.6|||AL|NE\rOBR|1|7|7|1^X^L\r"
    );
    std::fs::write(&file, order).unwrap();
    let words = ["order", "send", NAME, file.to_str().unwrap(), "--no-wait", "--within", "5m"];
    let (status, printed, complaint) = platform.cli().try_run(&words);
    assert!(status.success(), "{printed}{complaint}");
    let list = page(&platform, "/orders?waiting=1");
    let id = list.split("/orders?id=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = page(&platform, &format!("/orders/{id}/withdraw"));
    assert!(form.contains("is not sent again"), "{form}");
    assert_eq!(post(&platform, &format!("/orders/{id}/withdraw"), "").0, 303);
    assert!(page(&platform, &format!("/orders?id={id}")).contains("withdrawn"));
    assert_eq!(post(&platform, &format!("/orders/{id}/withdraw"), "").0, 409);

    assert!(page(&platform, "/system/reload").contains("otherwise nothing changes"));
    let (status, _, reloaded) = post(&platform, "/system/reload", "");
    assert_eq!(status, 200);
    assert!(reloaded.contains("The configuration was read again"), "{reloaded}");
}

#[test]
fn a_refused_device_its_page_and_the_list_name_the_cause_and_the_next_step() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &["--name", "Pump ICU-14", "--ward", "ICU"]);
    platform.cli().run(&["device", "suspend", NAME]);
    let connect =
        |name: &str| Device::connect(&site, platform.address, &site.certificate(name, KeyType::Ecc));
    for name in ["STRANGER", NAME] {
        // In TLS 1.3 the refusal comes after the handshake of the client.
        let sent = connect(name).and_then(|mut device| device.send(message(name, "1")));
        assert!(sent.is_err(), "{name} is refused");
    }
    eventually("the list has both", || {
        let list = page(&platform, "/refusals");
        list.contains("/help/suspended-device") && list.contains("/help/unknown-device")
    });
    let list = page(&platform, "/refusals?q=STRANGER");
    assert!(list.contains("STRANGER") && list.contains("certificate of your PKI"), "{list}");
    assert!(!list.contains("/help/suspended-device"), "{list}");
    let shown = page(&platform, &format!("/devices/{NAME}"));
    for part in [
        "<h1>Pump ICU-14",
        "suspended",
        "Path of its connection",
        "ends here",
        "ICU",
        "/help/suspended-device",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let stranger = page(&platform, "/devices/STRANGER");
    for part in ["STRANGER is not in the directory", "device add", "ends here", "unknown-device"] {
        assert!(stranger.contains(part), "{part} is not in\n{stranger}");
    }
    let devices = page(&platform, "/devices?ward=ICU");
    assert!(devices.contains("Pump ICU-14") && devices.contains("<h1>1 device</h1>"), "{devices}");
    let mut overview = String::new();
    eventually("the overview counts it", || {
        overview = page(&platform, "/");
        overview.contains("unknown-device 1")
    });
    assert!(overview.contains("Refused, 24 h"), "{overview}");
}

#[test]
fn the_calendar_names_the_certificates_that_end_in_a_month_and_gives_them_as_csv() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &["--ward", "=ICU"]);
    let device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    eventually("the calendar has a month", || page(&platform, "/trust").contains("/trust?month="));
    let trust = page(&platform, "/trust");
    let month = trust.split("/trust?month=").nth(1).unwrap().split('#').next().unwrap().to_owned();
    let of_month = page(&platform, &format!("/trust?month={month}"));
    assert!(of_month.contains(&format!("Certificates that end in {month}")), "{of_month}");
    assert!(of_month.contains(&format!("/devices/{NAME}")), "{of_month}");
    let (status, head, csv) = open(&platform, "/trust.csv");
    assert_eq!(status, 200);
    assert!(head.contains("text/csv") && head.contains("attachment"), "{head}");
    assert!(csv.contains(&format!("{NAME},,'=ICU,{month}")), "{csv}");
    // By quarter: one click from everywhere, with the platform's own certificates, roots and CRLs.
    let (year, of_year) = month.split_once('-').unwrap();
    let quarter = format!("{year}-Q{}", (of_year.parse::<u32>().unwrap() - 1) / 3 + 1);
    assert!(trust.contains(&format!("/trust?quarter={quarter}")), "{trust}");
    let present = trust.split("What ends in ").nth(1).unwrap().split('<').next().unwrap();
    assert!(trust.contains(&format!("/trust?quarter={present}#quarter")), "{present}: {trust}");
    let of_quarter = page(&platform, &format!("/trust?quarter={quarter}"));
    let list = of_quarter.split(&format!("What ends in {quarter}")).nth(1).unwrap();
    let list = list.split("id=\"quarters\"").next().unwrap();
    assert!(list.contains(&format!("/devices/{NAME}")), "{list}");
    let (_, _, of_quarter) = open(&platform, &format!("/trust.csv?quarter={quarter}"));
    let first = 3 * (quarter[6..].parse::<u32>().unwrap() - 1) + 1;
    let months: Vec<_> = (first..first + 3).map(|month| format!("{year}-{month:02}-")).collect();
    let lines: Vec<_> = of_quarter.lines().skip(1).collect();
    assert!(lines.iter().any(|line| line.starts_with(NAME)), "{of_quarter}");
    // The calendar is that of the machine's zone: a day at the edge may be one of the next quarter in UTC.
    let inside = lines.iter().filter(|line| months.iter().any(|month| line.contains(month.as_str())));
    assert!(inside.count() + 2 >= lines.len(), "{of_quarter}");
    for kind in ["root of devices and of the platform", "platform", "CRL"] {
        assert!(csv.contains(&format!(",{kind},")), "{kind}: {csv}");
    }
    device.close().unwrap();
    assert!(
        of_quarter.lines().any(|line| line.starts_with(NAME) && line.contains(",valid,")),
        "{of_quarter}"
    );
    platform.cli().run(&["device", "remove", NAME]);
    eventually("the certificate is that of a removed device", || {
        let (_, _, csv) = open(&platform, "/trust.csv");
        csv.lines().any(|line| line.starts_with(NAME) && line.contains(",removed,"))
    });
    let of_month = page(&platform, &format!("/trust?month={month}"));
    assert!(of_month.contains("removed from the directory"), "{of_month}");
    assert!(!of_month.contains(&format!("/devices/{NAME}")), "its page is gone: {of_month}");
}

#[test]
fn numbers_are_plotted_after_a_reason_and_withdrawn_values_are_in_no_plot() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for number in ["1", "2", "3"] {
        wire.write(&framed(&with_patient(number)));
        assert_eq!(wire.verdict().0, "CA");
    }
    let path = format!("/devices/{NAME}/numbers");
    assert_eq!(post(&platform, &path, "reason=").0, 400);
    let (status, _, numbers) = post(&platform, &path, "reason=alarm");
    assert_eq!(status, 200, "{numbers}");
    assert!(numbers.contains("<b>71</b>") && numbers.contains("<svg class=\"plot\""), "{numbers}");
    assert!(numbers.contains("3 values withdrawn or doubted") && !numbers.contains(">97<"), "{numbers}");
    assert!(!numbers.contains("GEHEIM"), "{numbers}");
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "message-viewed"]).len(), 3);
}
