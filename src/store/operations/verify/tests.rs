//! Tests of the verification of a chain.

use std::time::Duration;

use crate::audit::fixtures::Repeating;
use crate::audit::{ChainHead, Event, Fault, StopReason, begin_bytes};
use crate::store::fixtures::{TestStore, battery};
use crate::store::{HeadReport, Store};

battery! {
    an_untouched_trail_is_intact,
    tampering_with_the_database_is_detected,
    new_rows_are_signed_once,
    a_recorded_head_shows_that_the_end_was_cut_off,
    a_pruned_head_is_distinguished_from_a_missing_one,
    pruning_without_an_audit_row_breaks_the_chain,
    each_node_has_its_own_chain,
    a_chain_that_another_node_has_listed_cannot_be_removed_unnoticed,
    two_processes_of_one_node_share_its_chain,
}

async fn grow(store: &Store, rows: u32) {
    for _ in 0..rows {
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    }
}

/// Writes twelve rows: nine, their signature, and two more.
async fn fill(place: &TestStore) {
    let store = place.open().await;
    grow(&store, 9).await;
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    grow(&store, 2).await;
    store.close().await;
}

/// Runs `sql` as the owner of the database can, without the protection of the triggers.
async fn tamper(place: &TestStore, sql: &str) {
    let free = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit;
         DROP TRIGGER audit_only_pruned ON audit;
         ALTER TABLE audit DROP CONSTRAINT audit_node_number_key;
         CREATE FUNCTION zeroblob(n int) RETURNS bytea LANGUAGE sql AS 'SELECT decode(repeat(''00'', n), ''hex'')';"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_replace;"
    };
    place.execute(free).await.unwrap();
    place.execute(sql).await.unwrap();
}

async fn fault_after(place: &TestStore, sql: &'static str) -> Option<(u64, Fault)> {
    fill(place).await;
    tamper(place, sql).await;
    let mut reports = place.open().await.verify_audit(&Repeating).await.unwrap();
    assert_eq!(reports.len(), 1, "{sql}");
    reports.remove(0).verdict.err().map(|broken| (broken.number, broken.fault))
}

async fn an_untouched_trail_is_intact(place: TestStore) {
    let store = place.open().await;
    assert_eq!(store.verify_audit(&Repeating).await.unwrap(), []);
    fill(&place).await;
    let report = &store.verify_audit(&Repeating).await.unwrap()[0];
    let intact = report.verdict.clone().unwrap();
    assert_eq!((intact.end.number, intact.signature.unwrap().number), (12, 9));
}

async fn tampering_with_the_database_is_detected(place: TestStore) {
    for (sql, fault) in [
        ("UPDATE audit SET details = '{}' WHERE number = 4", (4, Fault::Altered)),
        ("UPDATE audit SET at = at - 1 WHERE number = 4", (4, Fault::Altered)),
        ("UPDATE audit SET event = 'platform-started' WHERE number = 4", (4, Fault::Altered)),
        ("DELETE FROM audit WHERE number = 1", (1, Fault::Missing)),
        ("DELETE FROM audit WHERE number BETWEEN 4 AND 6", (4, Fault::Missing)),
        (
            "DELETE FROM audit WHERE number = 4; UPDATE audit SET number = number - 1 WHERE number > 4",
            (4, Fault::Altered),
        ),
        (
            "UPDATE audit SET number = -number WHERE number > 4;
             UPDATE audit SET number = 1 - number WHERE number < 0;
             INSERT INTO audit SELECT 99, node, 5, at, event, details, hash FROM audit WHERE number = 4",
            (5, Fault::Altered),
        ),
        (
            "UPDATE audit SET number = 0 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 5;
             UPDATE audit SET number = 5 WHERE number = 0",
            (4, Fault::Altered),
        ),
        ("UPDATE audit SET sequence = 99 WHERE number = 4", (5, Fault::Moved)),
        ("DELETE FROM audit WHERE number > 8", (9, Fault::TailCut)),
        ("DELETE FROM audit", (1, Fault::TailCut)),
        ("UPDATE audit_end SET number = 13", (13, Fault::TailCut)),
        ("UPDATE audit_end SET hash = zeroblob(32)", (10, Fault::OtherEnd)),
    ] {
        let place = place.another();
        assert_eq!(fault_after(&place, sql).await, Some(fault), "{sql}");
    }
}

async fn new_rows_are_signed_once(place: TestStore) {
    let store = place.open().await;
    assert_eq!(store.sign_audit(&Repeating, &Repeating).await.unwrap(), None);
    grow(&store, 3).await;
    assert_eq!(store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap().number, 3);
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(store.sign_audit(&Repeating, &Repeating).await.unwrap(), None);
    grow(&store, 1).await;
    assert_eq!(store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap().number, 5);
}

async fn a_recorded_head_shows_that_the_end_was_cut_off(place: TestStore) {
    fill(&place).await;
    let signed = place.open().await.verify_audit(&Repeating).await.unwrap()[0].verdict.clone().unwrap();
    tamper(
        &place,
        "DELETE FROM audit WHERE number > 8; UPDATE audit_end SET number = 8,
         hash = (SELECT hash FROM audit WHERE number = 8)",
    )
    .await;
    let store = place.open().await;
    let left = store.verify_audit(&Repeating).await.unwrap()[0].verdict.clone().unwrap();
    assert_eq!(left.end.number, 8, "by itself the chain is intact");
    let look_up = async |place| store.look_up_head(&place, &Repeating).await.unwrap();
    assert_eq!(look_up(left.end).await, HeadReport::Held);
    assert_eq!(look_up(signed.end).await, HeadReport::Missing);
    let other = ChainHead { hash: signed.end.hash, ..left.end };
    assert_eq!(look_up(other).await, HeadReport::Missing);
    assert_eq!(look_up(ChainHead::START).await, HeadReport::Held);
}

async fn a_pruned_head_is_distinguished_from_a_missing_one(place: TestStore) {
    fill(&place).await;
    let store = place.open().await;
    let rows = store.own_audit_rows(0, 20).await.unwrap();
    let link = |n: usize| ChainHead { number: rows[n - 1].number, hash: rows[n - 1].hash };
    place.clock.advance(Duration::from_secs(60));
    let at = place.clock.now();
    assert_eq!(store.prune_audit(at, 5, &Repeating).await.unwrap(), 5);
    let look_up = async |place| store.look_up_head(&place, &Repeating).await.unwrap();
    let pruned = HeadReport::Pruned { node: store.node().clone(), up_to: 5, at };
    assert_eq!(look_up(link(3)).await, pruned);
    assert_eq!(look_up(link(5)).await, pruned);
    assert_eq!(look_up(link(6)).await, HeadReport::Held);
    // The hash of the last deleted row is known, from the beginning and from the audit row of the
    // deletion.
    assert_eq!(look_up(ChainHead { hash: link(4).hash, ..link(5) }).await, HeadReport::Missing);
    let pruned_row = store.own_audit_rows(12, 20).await.unwrap().remove(0);
    assert_eq!(pruned_row.event, Event::AUDIT_PRUNED);
    assert!(pruned_row.details.contains(&format!(r#""hash":"{}""#, link(5).hash)), "{}", pruned_row.details);
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
    // An unsigned beginning is not accepted.
    tamper(&place, "DELETE FROM audit WHERE number <= 8").await;
    place.execute("UPDATE audit_begin SET number = 8").await.unwrap();
    assert_eq!(look_up(link(3)).await, HeadReport::Missing);
}

async fn pruning_without_an_audit_row_breaks_the_chain(place: TestStore) {
    fill(&place).await;
    let store = place.open().await;
    // The platform writes a beginning and its audit row in one transaction; this beginning has no audit
    // row.
    let row = store.own_audit_rows(4, 1).await.unwrap().remove(0);
    let link = ChainHead { number: row.number, hash: row.hash };
    let signed =
        begin_bytes(store.node(), &link).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hash = link.hash.to_string();
    let bytes = |digits: &str| {
        if place.is_postgres() { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
    };
    let sql = format!(
        "INSERT INTO audit_begin (node, number, hash, at, scheme, certificate, signature)
         VALUES ('{}', 5, {}, 0, 'none', {}, {}); DELETE FROM audit WHERE number <= 5",
        store.node(),
        bytes(&hash),
        bytes("01"),
        bytes(&signed)
    );
    place.execute(&sql).await.unwrap();
    let verdict = store.verify_audit(&Repeating).await.unwrap().remove(0).verdict;
    assert_eq!(verdict.map_err(|broken| (broken.number, broken.fault)), Err((6, Fault::PruningUnrecorded)));
}

async fn each_node_has_its_own_chain(place: TestStore) {
    let (here, there) = (place.open_as("here").await, place.open_as("there").await);
    tokio::join!(grow(&here, 20), grow(&there, 30));
    let reports = here.verify_audit(&Repeating).await.unwrap();
    let ends: Vec<_> = reports
        .into_iter()
        .map(|report| (report.node.to_string(), report.verdict.unwrap().end.number))
        .collect();
    assert_eq!(ends, [("here".to_owned(), 20), ("there".to_owned(), 30)]);
}

/// The chain of a node that is not served any more, with all that the store knows of it.
async fn a_chain_that_another_node_has_listed_cannot_be_removed_unnoticed(place: TestStore) {
    let (here, former, pruned) =
        (place.open_as("here").await, place.open_as("former").await, place.open_as("pruned").await);
    for store in [&former, &pruned] {
        grow(store, 5).await;
        store.sign_audit(&Repeating, &Repeating).await.unwrap();
    }
    grow(&here, 3).await;
    here.sign_audit(&Repeating, &Repeating).await.unwrap();
    let row = here.own_audit_rows(3, 1).await.unwrap().remove(0);
    let listed: serde_json::Value = serde_json::from_str(&row.details).unwrap();
    let listed = |n: usize| listed["chains"][n]["node"].as_str().unwrap().to_owned();
    assert_eq!([listed(0), listed(1)], ["former", "pruned"], "{row:?}");
    // Retention removes what was listed, and signs that.
    place.clock.advance(Duration::from_secs(60));
    grow(&pruned, 3).await;
    pruned.sign_audit(&Repeating, &Repeating).await.unwrap();
    assert!(pruned.prune_audit(place.clock.now(), 7, &Repeating).await.unwrap() > 0);
    let faults = async |store: &Store| {
        let reports = store.verify_audit(&Repeating).await.unwrap();
        let broken = reports.into_iter().filter_map(|report| report.verdict.err());
        broken.map(|broken| (broken.node.to_string(), broken.number, broken.fault)).collect::<Vec<_>>()
    };
    assert_eq!(faults(&here).await, []);
    let fault = |number| vec![("former".to_owned(), number, Fault::ListedElsewhere)];
    // Its end, its whole, and a chain that was written again in its place.
    tamper(
        &place,
        "DELETE FROM audit WHERE node = 'former' AND number > 4;
         UPDATE audit_end SET number = 4, hash = (SELECT hash FROM audit WHERE node = 'former' AND number = 4)
         WHERE node = 'former'",
    )
    .await;
    assert_eq!(faults(&here).await, fault(6));
    place.execute("DELETE FROM audit WHERE node = 'former'").await.unwrap();
    place.execute("DELETE FROM audit_end WHERE node = 'former'").await.unwrap();
    assert_eq!(faults(&here).await, fault(6));
    grow(&place.open_as("former").await, 9).await;
    assert_eq!(faults(&here).await, fault(6));
}

async fn two_processes_of_one_node_share_its_chain(place: TestStore) {
    let (serving, command) = (place.open().await, place.open().await);
    tokio::join!(grow(&serving, 20), grow(&command, 20));
    let reports = serving.verify_audit(&Repeating).await.unwrap();
    assert_eq!(reports[0].verdict.as_ref().unwrap().end.number, 40);
}
