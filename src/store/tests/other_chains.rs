//! Tests of rows under the name of another node: what a signature lists of them, and what an operator
//! accepts.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{Acceptance, ChainFinding, Fault, Signature};

battery! {
    a_row_of_an_invented_node_is_not_listed_and_leaves_nothing_behind,
    a_chain_is_listed_up_to_the_last_row_that_continues_it,
    rows_that_were_verified_and_are_gone_are_found,
    a_fault_that_an_operator_accepts_is_no_fault_any_more_and_others_are,
    a_chain_with_too_many_rows_is_listed_from_its_last_ones,
}

async fn grow(store: &Store, rows: usize) {
    for _ in 0..rows {
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    }
}

/// Without the triggers that refuse changes of the trail.
async fn unprotected(place: &TestStore) {
    let sql = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit; DROP TRIGGER audit_only_pruned ON audit"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"
    };
    place.execute(sql).await.unwrap();
}

/// A row with a hash of nothing.
async fn garbage(place: &TestStore, node: &str, number: u64) {
    let hash = "ab".repeat(32);
    let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
    let sql = format!(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('{node}', {number}, 7, 'message-accepted', '{{}}', {hash})"
    );
    place.execute(&sql).await.unwrap();
}

/// Signs, and returns the numbers that the row lists, by node.
async fn sign(store: &Store) -> Vec<(String, u64)> {
    grow(store, 1).await;
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    let end = store.chain_end(store.node()).await.unwrap().number;
    let row = store.own_audit_rows(end - 1, 1).await.unwrap().remove(0);
    let details: serde_json::Value = serde_json::from_str(&row.details).unwrap();
    let chains = details["chains"].as_array().cloned().unwrap_or_default();
    let listed = |chain: &serde_json::Value| {
        let end: ChainHead = chain["end"].as_str().unwrap().parse().unwrap();
        (chain["node"].as_str().unwrap().to_owned(), end.number)
    };
    chains.iter().map(listed).collect()
}

fn found(store: &Store) -> Vec<(String, u64, bool)> {
    let faults = store.own_chain().other_faults();
    faults.iter().map(|fault| (fault.node.to_string(), fault.row.number, fault.is_gone)).collect()
}

async fn faults(store: &Store) -> Vec<(String, u64, Fault)> {
    let reports = store.verify_audit(&Repeating).await.unwrap();
    let faults = reports.iter().flat_map(ChainReport::faults);
    faults.map(|broken| (broken.node.to_string(), broken.number, broken.fault)).collect()
}

fn n2(number: u64, fault: Fault) -> (String, u64, Fault) {
    ("n2".to_owned(), number, fault)
}

async fn a_row_of_an_invented_node_is_not_listed_and_leaves_nothing_behind(place: TestStore) {
    let store = place.open_as("n1").await;
    for number in [1, 500, i64::MAX.unsigned_abs()] {
        garbage(&place, "n2", number).await;
        assert_eq!(sign(&store).await, []);
        let notes = store.own_chain().take_notes();
        let noted: Vec<_> = notes.iter().map(|note| (note.finding, note.node.clone().unwrap())).collect();
        assert_eq!(noted, [(ChainFinding::OtherChainBroken, "n2".parse().unwrap())], "{number}");
        assert_eq!(sign(&store).await, []);
        assert_eq!(store.own_chain().take_notes(), [], "it is reported once");
        assert_eq!(found(&store), [("n2".to_owned(), number, false)]);
        assert!(faults(&store).await.contains(&n2(number, Fault::Altered)) || number > 1);
        if number == 1 {
            unprotected(&place).await;
        }
        place.execute("DELETE FROM audit WHERE node = 'n2'").await.unwrap();
        assert_eq!(sign(&store).await, []);
        assert_eq!((found(&store), faults(&store).await), (Vec::new(), Vec::new()), "{number}");
    }
}

async fn a_chain_is_listed_up_to_the_last_row_that_continues_it(place: TestStore) {
    let (store, other) = (place.open_as("n1").await, place.open_as("n2").await);
    grow(&other, 3).await;
    garbage(&place, "n2", 4).await;
    let listed = |number| vec![("n2".to_owned(), number)];
    for _ in 0..2 {
        assert_eq!(sign(&store).await, listed(3));
        assert_eq!(found(&store), [("n2".to_owned(), 4, false)]);
    }
    // Another process follows the same rows from the beginning.
    assert_eq!(sign(&place.open_as("n3").await).await, [("n1".to_owned(), 4), ("n2".to_owned(), 3)]);
    unprotected(&place).await;
    place.execute("DELETE FROM audit WHERE node = 'n2' AND number = 4").await.unwrap();
    grow(&other, 2).await;
    assert!(sign(&store).await.contains(&("n2".to_owned(), 5)));
    assert_eq!((found(&store), faults(&store).await), (Vec::new(), Vec::new()));
}

async fn rows_that_were_verified_and_are_gone_are_found(place: TestStore) {
    let (store, other) = (place.open_as("n1").await, place.open_as("n2").await);
    grow(&other, 3).await;
    sign(&store).await;
    unprotected(&place).await;
    place.execute("DELETE FROM audit WHERE node = 'n2'").await.unwrap();
    sign(&store).await;
    assert_eq!(found(&store), [("n2".to_owned(), 3, true)]);
    assert_eq!(faults(&store).await, [n2(3, Fault::ListedElsewhere)]);
    // What retention removed is no fault.
    let pruned = place.another();
    let (store, other) = (pruned.open_as("n1").await, pruned.open_as("n2").await);
    grow(&other, 3).await;
    other.sign_audit(&Repeating, &Repeating).await.unwrap();
    sign(&store).await;
    pruned.clock.advance(Duration::from_secs(60));
    grow(&other, 3).await;
    other.sign_audit(&Repeating, &Repeating).await.unwrap();
    assert!(other.prune_audit(pruned.clock.now(), 6, &Repeating).await.unwrap() > 0);
    grow(&other, 1).await;
    let listed = sign(&store).await;
    assert_eq!((listed.len(), found(&store), faults(&store).await), (1, Vec::new(), Vec::new()));
}

async fn a_fault_that_an_operator_accepts_is_no_fault_any_more_and_others_are(place: TestStore) {
    let (store, other) = (place.open_as("n1").await, place.open_as("n2").await);
    // A chain with right hashes is listed, whether or not a node wrote it.
    grow(&other, 3).await;
    assert_eq!(sign(&store).await, [("n2".to_owned(), 3)]);
    unprotected(&place).await;
    place.execute("DELETE FROM audit WHERE node = 'n2'").await.unwrap();
    sign(&store).await;
    assert_eq!(faults(&store).await, [n2(3, Fault::ListedElsewhere)]);
    let accept = async |found: ChainHead, rows: Vec<u64>, change: fn(Signature) -> Signature| {
        place.clock.advance(Duration::from_secs(1));
        let (node, until) = ("n2".parse().unwrap(), place.clock.now());
        let acceptance = Acceptance::sign(&Repeating, node, found, rows, until).unwrap();
        let signature = change(acceptance.signature.clone());
        let acceptance = Box::new(Acceptance { signature, ..acceptance });
        let actor = "alice".to_owned();
        store.audit(Event::AuditFaultAccepted { acceptance, actor }).await.unwrap();
        place.clock.advance(Duration::from_secs(1));
    };
    // Who writes to the database can append such a row, and cannot sign it.
    accept(ChainHead::START, vec![3], |signature| Signature { value: vec![1], ..signature }).await;
    assert_eq!(faults(&store).await, [n2(3, Fault::ListedElsewhere)]);
    accept(ChainHead::START, vec![3], |signature| signature).await;
    assert_eq!(faults(&store).await, []);
    assert_eq!((sign(&store).await, found(&store)), (Vec::new(), Vec::new()));
    // What comes afterwards is verified, listed and missed as before.
    grow(&place.open_as("n2").await, 2).await;
    assert_eq!(sign(&store).await, [("n2".to_owned(), 2)]);
    garbage(&place, "n2", 3).await;
    garbage(&place, "n2", 4).await;
    assert_eq!(sign(&store).await, [("n2".to_owned(), 2)]);
    assert_eq!(found(&store), [("n2".to_owned(), 3, false)]);
    // Row 3 is accepted already; now the chain as it stands.
    assert_eq!(faults(&store).await, [n2(4, Fault::Altered)]);
    let end = store.chain_end(&"n2".parse().unwrap()).await.unwrap();
    accept(end, vec![3, 4], |signature| signature).await;
    assert_eq!(faults(&store).await, []);
    assert_eq!((sign(&store).await, found(&store)), (vec![("n2".to_owned(), 4)], Vec::new()));
    // Also for a process that starts afterwards.
    let again = place.open_as("n1").await;
    assert_eq!((sign(&again).await, found(&again)), (vec![("n2".to_owned(), 4)], Vec::new()));
    place.execute("DELETE FROM audit WHERE node = 'n2' AND number = 2").await.unwrap();
    assert_eq!(faults(&store).await, [n2(2, Fault::Missing)]);
    place.execute("DELETE FROM audit WHERE node = 'n2'").await.unwrap();
    assert_eq!(faults(&store).await, [n2(4, Fault::ListedElsewhere)], "it has to stay as it was accepted");
}

async fn a_chain_with_too_many_rows_is_listed_from_its_last_ones(place: TestStore) {
    let store = place.open_as("n1").await;
    let node: NodeName = "n2".parse().unwrap();
    let (mut end, mut rows) = (ChainHead::START, Vec::new());
    for _ in 0..10_500 {
        end = end.next(&node, Timestamp::UNIX_EPOCH, "store-copied", "{}");
        let hash = end.hash;
        let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
        rows.push(format!("('n2', {}, 0, 'store-copied', '{{}}', {hash})", end.number));
    }
    for rows in rows.chunks(500) {
        let values = rows.join(", ");
        let insert = "INSERT INTO audit (node, number, at, event, details, hash) VALUES";
        place.execute(&format!("{insert} {values}")).await.unwrap();
    }
    assert_eq!(sign(&store).await, [("n2".to_owned(), 10_500)]);
    assert_eq!(found(&store), []);
    garbage(&place, "n2", 10_501).await;
    assert_eq!(sign(&place.open_as("n3").await).await[1], ("n2".to_owned(), 10_500));
}
