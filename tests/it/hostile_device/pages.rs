//! The pages of `/api` when a device has made its rows large.
//!
//! `PCD_PAGES=4000` prints what it costs:
//!
//!     PCD_PAGES=4000 cargo test --all-features --test it hostile_device::pages -- --nocapture

use serde_json::Value;

use super::{admitted, requested, resident};
use crate::harness::{Platform, Site, Wire, framed, message};

/// `GET target`: the rows, the target of the next page, and the bytes of the response.
fn page(platform: &Platform, target: &str) -> (Vec<Value>, Option<String>, usize) {
    let host = platform.admin;
    let answer = platform.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let link = head.lines().find_map(|line| line.strip_prefix("link: <"));
    let next = link.map(|link| link.split_once(">; rel=\"next\"").unwrap().0.to_owned());
    (serde_json::from_str(body).unwrap(), next, body.len())
}

#[test]
fn a_page_of_large_rows_ends_early_and_names_the_next_one() {
    let count = requested("PCD_PAGES", 600);
    let site = Site::new().with("messages", "rejected-per-hour = 1000000");
    let platform = site.start();
    let own = admitted(&site, &platform, "WORDY");
    let mut wire = Wire::connect(&site, platform.address, &own);
    let long = "\u{1d11e}".repeat(190);
    for batch in 0..count / 20 {
        let ids = (0..20).map(|number| format!("{batch}-{number}{long}"));
        let sent: Vec<u8> = ids.clone().flat_map(|id| framed(&worded(&id))).collect();
        wire.write(&sent);
        ids.for_each(|_| assert!(wire.answer().is_some()));
    }
    let before = resident(&platform);
    let (mut next, mut found, mut pages) = (Some("/api/messages?limit=1000".to_owned()), Vec::new(), 0);
    while let Some(target) = next {
        let (rows, following, bytes) = page(&platform, &target);
        assert!(bytes <= (1 << 20) + (256 << 10), "{bytes} bytes");
        assert!(following.is_none() || rows.len() < 1000);
        found.extend(rows.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        (next, pages) = (following, pages + 1);
    }
    let after = resident(&platform);
    println!("{count} large rows in {pages} pages; resident {before} -> {after} bytes");
    assert!(pages >= 2);
    let mut distinct = found.clone();
    distinct.dedup();
    assert_eq!((found.len(), distinct.len()), (count.min(found.len()), found.len()));
    assert!(count > 1000 || found.len() == count, "{} of {count}", found.len());
}

/// A message with this MSH-10 and a long MSH-3 and MSH-9.
fn worded(id: &str) -> Vec<u8> {
    let text = String::from_utf8(message("WORDY", id).to_vec()).unwrap();
    let mut fields: Vec<_> = text.split('|').map(str::to_owned).collect();
    fields[2] = "\u{1d11e}".repeat(250);
    fields[8] = format!("ORU^R01^{}", "\u{1d11e}".repeat(240));
    fields.join("|").into_bytes()
}
