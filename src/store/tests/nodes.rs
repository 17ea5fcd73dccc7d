//! Tests of several nodes that share a server.

use super::*;
use crate::audit::fixtures::Repeating;

#[tokio::test]
async fn a_message_sent_to_two_nodes_at_once_is_stored_once() {
    let place = TestStore::on_postgres();
    let nodes = [place.open_as("here").await, place.open_as("there").await];
    let records: Vec<_> = (0..200)
        .map(|n: u32| MessageRecord { raw: n.to_string().into(), ..place.record(&n.to_string(), b"") })
        .collect();
    // Each node knows the head of its chain, and writes a batch in a single statement.
    for node in &nodes {
        node.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    }
    // In opposite order, so that the transactions overlap.
    let there = join_all(
        records
            .iter()
            .rev()
            .map(|record| nodes[1].record(MessageRecord { id: place.record("", b"").id, ..record.clone() })),
    );
    let here = join_all(records.iter().map(|record| nodes[0].record(record.clone())));
    let (here, mut there) = tokio::join!(here, there);
    there.reverse();
    for (n, (here, there)) in here.into_iter().zip(there).enumerate() {
        let (here, there) = (here.unwrap(), there.unwrap());
        match (&here, &there) {
            (RecordOutcome::Stored(id), RecordOutcome::Resend { original: of, .. })
            | (RecordOutcome::Resend { original: of, .. }, RecordOutcome::Stored(id)) => assert_eq!(id, of),
            _ => panic!("{n}: {here:?} {there:?}"),
        }
    }
    assert_eq!(nodes[0].messages(&MessageFilter { limit: 1000, ..ANY }).await.unwrap().len(), 200);
    let reports = nodes[0].verify_audit(&Repeating).await.unwrap();
    let ends = reports.iter().map(|report| report.verdict.as_ref().unwrap().end.number);
    assert_eq!(ends.sum::<u64>(), 202, "one row for each message, in the chain of the node that stored it");
}

#[tokio::test]
async fn two_processes_of_a_node_can_write_its_first_rows() {
    for _ in 0..5 {
        let place = TestStore::on_postgres();
        let processes = [place.open().await, place.open().await, place.open().await];
        let outcomes = join_all(
            processes
                .iter()
                .enumerate()
                .map(|(n, store)| store.record(place.record(&n.to_string(), b"message"))),
        );
        for outcome in outcomes.await {
            assert!(matches!(outcome, Ok(RecordOutcome::Stored(_))), "{outcome:?}");
        }
        let reports = processes[0].verify_audit(&Repeating).await.unwrap();
        assert_eq!(reports[0].verdict.as_ref().unwrap().end.number, 3);
    }
}
