//! The page for enrolment.

use super::*;
use crate::harness::{Credential, Device, message};
use crate::pages::{open, post};

/// The text of a fact of a page.
fn fact(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("{name}</dt>")).unwrap_or_else(|| panic!("no {name}: {page}"));
    let (_, rest) = rest.split_once("<code>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

#[test]
fn n000_5_a_device_that_is_enrolled_on_the_page_connects() {
    const PUMP: &str = "00A037FFFE000027";
    let hospital = enrolling(Site::new(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let (status, _, page) = open(&platform, "/enrolments");
    assert!(status == 200 && page.contains("Invite a device") && page.contains("No request waits"), "{page}");
    let form = format!("cn={PUMP}&name=Pump+27&ward=ICU&serial=4711&identities=");
    let (status, _, page) = post(&platform, "/enrolments/invite", &form);
    assert!(status == 200 && page.contains("shown this once"), "{status}: {page}");
    let user = format!("{}:{}", fact(&page, "User"), fact(&page, "Code"));
    let wanted = Wanted::new(site, "pump", &format!("/CN={PUMP}"));
    assert_eq!(send(site, &platform, Some(&user), &wanted.request, &[]).status, 202);

    let here = format!("/enrolments/{}", id(&user));
    let (_, _, page) = open(&platform, "/enrolments");
    assert!(page.contains(&here) && page.contains(&format!("CN={PUMP}")), "{page}");
    assert!(!page.contains(user.split_once(':').unwrap().1), "the code is shown once");
    let (_, _, page) = open(&platform, &here);
    let key = openssl(&["pkey", "-in", wanted.key.to_str().unwrap(), "-pubout"]);
    assert!(key.contains("PUBLIC KEY") && page.contains("SHA-256 of the public key"), "{page}");
    assert!(page.contains(&format!("{here}/approve")) && page.contains(&format!("{here}/reject")), "{page}");
    let (_, _, page) = open(&platform, &format!("{here}/approve"));
    assert!(page.contains("may connect with this certificate") && page.contains(">Approve<"), "{page}");
    let (status, head, _) = post(&platform, &format!("{here}/approve"), "");
    assert!(status == 303 && head.contains(&format!("location: {here}")), "{status}: {head}");
    let (status, _, page) = post(&platform, &format!("{here}/approve"), "");
    assert!(status == 400 && page.contains("another state"), "{status}: {page}");
    let Issued { chain, key } = fetched(site, &platform, &user, &wanted);
    let mut device = Device::connect(site, platform.address, &Credential { chain, key }).unwrap();
    assert_eq!(device.code(message(PUMP, "1")), "CA");
    let (_, _, page) = open(&platform, &format!("/devices/{PUMP}"));
    assert!(page.contains("Pump 27") && page.contains("ICU"), "{page}");

    let (_, _, page) = open(&platform, &format!("{here}/revoke"));
    assert!(page.contains("nothing is renewed by them"), "{page}");
    let (status, _, page) = post(&platform, "/enrolments/invite", "cn=&name=&ward=&serial=&identities=");
    assert!(status == 400 && page.contains("This was not done"), "{status}: {page}");
    // A value is no option.
    let form = format!("cn=--config&name=--role+client&ward=&serial=&identities={PUMP}");
    let (status, _, page) = post(&platform, "/enrolments/invite", &form);
    let line = platform.cli().json(&["enrol", "list"]).remove(0);
    assert!(status == 200 && line["name"] == "--config" && line["role"] == "device", "{status}: {page}");
    let (status, _, page) =
        post(&platform, &format!("/enrolments/{}/reject", line["id"].as_str().unwrap()), "value=no");
    assert_eq!(status, 303, "{page}");
    assert_eq!(open(&platform, "/enrolments/aaaaaaaa").0, 404);
    let rows = platform.cli().json(&["audit", "list", "--event", "enrolment-changed"]);
    assert_eq!(rows.len(), 4, "two invitations, an approval, a rejection: {rows:?}");
    assert!(!platform.stop().log.contains("panicked"));
}
