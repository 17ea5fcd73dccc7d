//! Patient data stays in the store, also on the pages: every page that a link leads to, read by people
//! without the role for content, holds no mark; nor do the log at its most detailed level, the metrics and
//! the notifications.

use std::collections::{BTreeSet, VecDeque};

use pcd_platform::pki::KeyType;

use crate::harness::{Platform, Wire, eventually, framed};
use crate::notifications::{Receiver, with_receiver};
use crate::patient_data::{MARK, MONITOR, message, unreadable};
use crate::people::{CLINICAL, GROUP, OPERATOR, VIEWER, ask_as, site_with_roles};

/// Every page and every other answer that links lead to, from the overview on, read by this account: the path
/// and the text.
fn walk(platform: &Platform, user: u32) -> Vec<(String, String)> {
    let mut open: VecDeque<String> = ["/", "/api/openapi.json"].map(str::to_owned).into();
    let mut known: BTreeSet<String> = open.iter().cloned().collect();
    let mut read = Vec::new();
    while let Some(path) = open.pop_front() {
        let url = format!("http://localhost{path}");
        let (status, text) = ask_as(platform, user, &[GROUP], &["--header", "Accept: text/html", &url]);
        assert!([200, 400, 403, 404].contains(&status), "{path}: {status}");
        for link in links(&text) {
            if known.len() < MAX_PAGES && known.insert(link.clone()) {
                open.push_back(link);
            }
        }
        read.push((path, text));
    }
    read
}

/// The paths of this host to which a page leads.
fn links(page: &str) -> Vec<String> {
    let targets = ["href=\"/", "action=\"/"].into_iter().flat_map(|mark| page.split(mark).skip(1));
    let path = |rest: &str| {
        let path = rest.split(['"', '#']).next().unwrap_or_default();
        format!("/{}", path.replace("&amp;", "&"))
    };
    // Help is the same for all, and has no data; what a page loads by itself never ends, or is a file of
    // ours.
    let is_other = |path: &String| !["/help", "/assets", "/live"].iter().any(|one| path.starts_with(one));
    targets.map(path).filter(is_other).collect()
}

/// Where the mark is, with what stands around it.
fn found(text: &str) -> Option<&str> {
    let at = text.find(MARK)?;
    let start = (0..=at.saturating_sub(80)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(start..at + MARK.len())
}

// A9.4
#[test]
fn marked_patient_data_is_on_no_page_without_the_role_in_no_log_metric_or_notification() {
    let Some(site) = site_with_roles() else { return };
    let receiver = Receiver::start(&site, None);
    let url = receiver.url("/ok");
    let site = with_receiver(site.with("log", "level = \"trace\""), &url, "severity = \"info\"");
    let platform = site.start();
    platform.admit(MONITOR, &["--ward", "ICU"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
    for (kind, id) in [("ORU^R01^ORU_R01", "M-1"), ("ORU^R40^ORU_R40", "M-2"), ("ADT^A01^ADT_A01", "M-3")] {
        wire.write(&framed(&message(kind, id)));
        wire.answer().unwrap();
    }
    for bytes in unreadable() {
        let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
        wire.write(&bytes);
        wire.write(&framed(format!("MSH|^~\\&|MON^{MONITOR}^EUI-64\rPID|{MARK}").as_bytes()));
    }
    // An order holds a patient too.
    let file = site.path().join("order.hl7");
    std::fs::write(&file, message("ORU^R01^ORU_R01", "O-1")).unwrap();
    platform.cli().try_run(&["order", "send", MONITOR, file.to_str().unwrap(), "--no-wait"]);
    eventually("a notification is posted", || !receiver.received().is_empty());
    for user in [VIEWER, OPERATOR] {
        let pages = walk(&platform, user);
        let paths: BTreeSet<&str> = pages.iter().map(|(path, _)| path.as_str()).collect();
        for path in ["/devices", "/messages", "/orders", "/audit", "/system", "/trust", "/refusals"] {
            assert!(paths.contains(path), "the walk reaches {path}: {paths:?}");
        }
        let of_messages = paths.iter().filter(|path| path.starts_with("/messages/0")).count();
        assert!(of_messages >= 3, "the walk reaches messages: {paths:?}");
        for (path, text) in &pages {
            assert_eq!(found(text), None, "{path} as {user}");
        }
        // Content is refused, whatever the reason.
        let message = paths.iter().find(|path| path.starts_with("/messages/0")).unwrap();
        let message = message.split('/').nth(2).unwrap();
        for path in [format!("/messages/{message}/content"), format!("/messages/{message}/download")] {
            let url = format!("http://localhost{path}");
            let form = ["--data", "as=raw&reason=test", "--header", "Origin: http://localhost", &url];
            let (status, text) = ask_as(&platform, user, &[GROUP], &form);
            assert!(status == 403 && found(&text).is_none(), "{path}: {status}");
        }
    }
    // The mark is there to be hidden: the role for content alone is what covers it.
    let list = ask_as(&platform, CLINICAL, &[GROUP], &["http://localhost/messages?type=PCD-01"]).1;
    let id = list.split("href=\"/messages/0").nth(1).unwrap().split('"').next().unwrap();
    let page = ask_as(&platform, CLINICAL, &[GROUP], &[&format!("http://localhost/messages/0{id}")]).1;
    assert_eq!(found(&page), None, "covered until a person asks");
    let token = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (form, url) =
        (format!("csrf={token}&as=raw&reason=test"), format!("http://localhost/messages/0{id}/content"));
    let words = ["--data", &form, "--header", "Origin: http://localhost", &url];
    let (status, open) = ask_as(&platform, CLINICAL, &[GROUP], &words);
    assert!(status == 200 && found(&open).is_some(), "{status}: {open}");

    assert_eq!(found(&platform.get("/metrics").1), None, "metrics");
    for posted in receiver.received() {
        assert_eq!(found(&posted.to_string()), None, "a notification");
    }
    assert_eq!(found(&platform.stop().log), None, "the log");
}

/// Pages of one walk: lists lead to lists.
const MAX_PAGES: usize = 300;
