//! Tests of several nodes that share a server.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::store::{ForwardClass, ForwardOutcome, StrandedForwards};

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
    assert_eq!(ends.sum::<u64>(), 2 + 200 + 200, "one row for each message, and one for its resend");
    let names = nodes[0].audit_rows(&AuditFilter { limit: 1000, ..TRAIL }).await.unwrap();
    let stored = names.iter().filter(|row| row.event == "message-accepted");
    assert_eq!(stored.count(), 200, "in the chain of the node that stored it");
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

async fn serve(place: &TestStore) -> Store {
    serve_as(place, "ward-7").await
}

async fn serve_as(place: &TestStore, node: &str) -> Store {
    let node = node.parse().unwrap();
    Store::serve(node, &place.url(), MigrationPolicy::Always, place.clock.clone()).await.unwrap()
}

#[tokio::test]
async fn a_process_whose_node_was_taken_over_commits_nothing() {
    let place = TestStore::on_postgres();
    let former = with_pumps(&place, serve(&place).await).await;
    let order = order(&place);
    let (id, device, until) = (order.id, order.device.clone(), order.expires_at);
    former.queue(order).await.unwrap();
    assert!(former.claim(id, &device, until).await.unwrap());
    // The next batch goes in one statement, because the end of the chain is known.
    former.record(place.record("1", b"1")).await.unwrap();

    place.execute("UPDATE node_lease SET renewed_at = 1").await.unwrap();
    let next = serve(&place).await;
    let lost = |outcome: &StoreError| matches!(outcome, StoreError::InstanceLost(_));
    for attempt in 0..2 {
        let recorded = former.record(place.record("2", b"2")).await;
        assert!(recorded.as_ref().is_err_and(lost), "{attempt}: {recorded:?}");
    }
    let claimed = former.claim(id, &device, until).await;
    assert!(claimed.as_ref().is_err_and(lost), "{claimed:?}");
    let kept = former.keep_instance(tokio_util::sync::CancellationToken::new()).await;
    assert!(kept.as_ref().is_err_and(lost), "{kept:?}");

    // The next one owns what the former one had claimed, and commands write beside it.
    assert_eq!(next.waiting_messages(None, 10).await.unwrap()[0].claimed_until, None);
    place.clock.advance(Duration::from_millis(250));
    assert!(next.claim(id, &device, until).await.unwrap());
    next.record(place.record("2", b"2")).await.unwrap();
    place
        .open_as("ward-7")
        .await
        .audit(Event::PlatformStopped { reason: StopReason::Requested })
        .await
        .unwrap();
    next.record(place.record("3", b"3")).await.unwrap();
    let reports = next.verify_audit(&Repeating).await.unwrap();
    assert!(reports.iter().all(|report| report.verdict.is_ok()), "{reports:?}");
    assert_eq!(next.messages(&ANY).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_graceful_shutdown_gives_the_node_back_at_once() {
    let place = TestStore::on_postgres();
    let former = serve(&place).await;
    former.close().await;
    // Less than the time of a lease.
    let next = tokio::time::timeout(Duration::from_secs(9), serve(&place)).await.unwrap();
    next.check().await.unwrap();
}

// Each node of a gateway forwards what it has received. One that does not return is not to keep it.
#[tokio::test]
async fn what_waits_on_a_node_that_is_gone_is_handed_over_in_portions() {
    let place = TestStore::on_postgres();
    let gone = with_pumps(&place, serve_as(&place, "gone").await).await;
    let runs = serve_as(&place, "runs").await;
    let queued = |number: usize| {
        let class = if number < 2 { ForwardClass::Alarm } else { ForwardClass::Data };
        MessageRecord { forward: Some(class), ..place.record(&number.to_string(), b"1") }
    };
    let records: Vec<_> = (0..503).map(queued).collect();
    for stored in join_all(records.iter().map(|one| gone.record(one.clone()))).await {
        stored.unwrap();
    }
    let refused = ForwardOutcome::given_up("altered");
    gone.settle_forward(records[502].id, refused).await.unwrap();
    let relayed = QueuedMessage { is_relayed: true, ..order(&place) };
    gone.queue(relayed.clone()).await.unwrap();
    let [from, to, other] = ["gone", "runs", "other"].map(|node| node.parse().unwrap());
    let hand_over = async |to| runs.hand_over_forwards(&from, to).await.unwrap();
    assert!(runs.stranded_forwards().await.unwrap().is_empty());
    assert_eq!(hand_over(&to).await, 0, "it runs, and forwards them itself");
    place.execute("UPDATE node_lease SET renewed_at = 1 WHERE node = 'gone'").await.unwrap();
    let expected = StrandedForwards {
        node: from.clone(),
        messages: 502,
        alarms: 2,
        orders: 1,
        oldest: Some(records[0].id),
    };
    assert_eq!(runs.stranded_forwards().await.unwrap(), [expected]);
    assert_eq!(hand_over(&other).await, 0, "no process of it would forward them");
    assert_eq!(hand_over(&to).await, 500);
    let lanes = runs.forward_lanes().await.unwrap().lanes;
    assert_eq!((lanes[0].0.class, lanes[0].1), (ForwardClass::Alarm, 2), "alarms go first");
    assert_eq!([hand_over(&to).await, hand_over(&to).await, hand_over(&to).await], [2, 1, 0]);
    assert!(runs.stranded_forwards().await.unwrap().is_empty());
    assert_eq!(runs.forward_backlog().await.unwrap().messages, 502);
    assert_eq!(runs.relayed_orders(false).await.unwrap()[0].id, relayed.id);
    let gone =
        place.connect_directly().await.texts("SELECT node FROM forward WHERE settled_at IS NOT NULL").await;
    assert_eq!(gone, ["gone"], "what is settled stays");
}
