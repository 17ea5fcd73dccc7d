//! Reports in PDF: one observation of many megabytes.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{NAME, OTHER, Scene, text};
use crate::harness::{Site, field};

/// A message with a report of so many bytes in base64, as PCD-09 sends it (OBX-2 ED).
fn report(device: &str, control_id: &str, bytes: usize) -> String {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let pdf: Vec<u8> = b"%PDF-1.7\n".iter().copied().chain(noise.take(bytes / 4 * 3)).collect();
    let value = format!("^application^pdf^Base64^{}", STANDARD.encode(pdf));
    text(device, control_id) + &format!("OBX|99|ED|18750-0^Report^LN|1.0.0.99|{value}||||||F\r")
}

#[test]
fn a_report_of_10_mib_is_stored_and_read_byte_for_byte() {
    Site::on_each_store().into_iter().for_each(a_report_of_10_mib_is_stored_and_read_byte_for_byte_on);
}

fn a_report_of_10_mib_is_stored_and_read_byte_for_byte_on(site: Site) {
    let mut scene = Scene::new(site);
    let sent = report(NAME, "PDF", 10 << 20);
    let began = Instant::now();
    let answer = scene.ask(&sent);
    println!("10 MiB: {:?} until the acknowledgement", began.elapsed());
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CA", "PDF"), "{answer:?}");
    assert_eq!(field(&scene.ask(&text(NAME, "NEXT")), "MSA", 1), "CA", "the connection stays");
    let listed = scene.listed(&["--limit", "2"]);
    let row = listed.iter().find(|row| row["control-id"] == "PDF").unwrap();
    assert_eq!(row["size"], sent.len());
    let cli = scene.platform.cli();
    let id = row["id"].as_str().unwrap();
    assert!(cli.run_raw(&["message", "show", id, "--raw"]) == sent.as_bytes(), "byte for byte");
    let tree = cli.run(&["message", "show", id, "--tree"]);
    assert!(tree.len() < 20_000 && tree.contains("Report"), "{} characters", tree.len());
    let exported = cli.json(&["message", "export", "--limit", "2"]);
    let exported = exported.iter().find(|row| row["control-id"] == "PDF").unwrap();
    assert!(STANDARD.decode(exported["raw"].as_str().unwrap()).unwrap() == sent.as_bytes());
    let file = scene.site.path().join("report.hl7");
    std::fs::write(&file, &sent).unwrap();
    let evaluated = cli.json(&["message", "judge", file.to_str().unwrap(), "--device", NAME]);
    assert!(evaluated[0]["rejection"].is_null(), "{:?}", evaluated[0]);
}

#[test]
fn a_report_beyond_the_limit_is_refused_and_its_beginning_kept() {
    let mut scene = Scene::new(Site::new());
    let answer = scene.ask(&report(NAME, "LARGE", 17 << 20));
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CR", "LARGE"));
    assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("too-large"));
    assert_eq!(scene.end(), "frame-too-large");
    scene.reconnect();
    let answer = scene.ask(&report(OTHER, "FOREIGN", 10 << 20));
    assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("identity-mismatch"));
    let kept = scene.listed(&["--rejected", "--warning", "cut"]);
    assert_eq!(kept.len(), 2, "{kept:?}");
    for row in &kept {
        assert_eq!(row["size"], 1 << 20);
        let id = row["id"].as_str().unwrap();
        let shown = scene.platform.cli().run(&["message", "show", id]);
        assert!(shown.contains("only the beginning is stored"), "{shown}");
        let (status, ..) = scene.platform.cli().try_run(&["message", "reconsider", id]);
        assert!(!status.success());
    }
    let log = scene.platform.stop().log;
    let line = log.lines().find(|line| line.contains("frame refused")).unwrap();
    assert!(line.contains("too-large") && line.contains(NAME), "{line}");
    assert!(!log.contains("%PDF") && !log.contains("Imaginary"));
}
