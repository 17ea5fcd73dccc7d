//! Triggers that change rows of what an operator does: then it is not done.

use super::*;
use crate::audit::ViewedAs;
use crate::audit::fixtures::Repeating;
use crate::store::records::message::Reconsideration;

battery! {
    nothing_is_done_whose_audit_row_is_dropped_or_changed,
    nothing_is_done_whose_rows_of_the_directory_or_the_outbox_are_changed,
    other_entries_of_the_batch_are_written,
    messages_that_are_reconsidered_one_after_the_other_are_all_linked,
}

/// A trigger that runs `change` after a row of `table` is inserted or updated: on PostgreSQL not before the
/// end of the transaction.
async fn spy(place: &TestStore, table: &str, condition: &str, change: &str) {
    let sql = if place.is_postgres() {
        format!(
            "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {change}; RETURN NULL; END$$;
             CREATE CONSTRAINT TRIGGER spy AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION spy()"
        )
    } else {
        format!(
            "CREATE TRIGGER spy AFTER INSERT ON {table} WHEN {condition} BEGIN {change}; END;
             CREATE TRIGGER spy_too AFTER UPDATE ON {table} WHEN {condition} BEGIN {change}; END"
        )
    };
    place.execute(&sql).await.unwrap();
}

/// Without the trigger that refuses changes of the trail.
async fn unprotected(place: &TestStore) {
    let sql = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit; DROP TRIGGER audit_only_pruned ON audit"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"
    };
    place.execute(sql).await.unwrap();
}

fn viewed(place: &TestStore) -> Event {
    Event::MessageViewed {
        message: MessageId::at(place.clock.now()),
        device: "PUMP-1".parse().unwrap(),
        viewed_as: ViewedAs::Raw,
        actor: "alice".to_owned(),
        reason: None,
    }
}

async fn nothing_is_done_whose_audit_row_is_dropped_or_changed(place: TestStore) {
    for change in [
        "UPDATE audit SET details = '{}' WHERE sequence = NEW.sequence AND details <> '{}'",
        "DELETE FROM audit WHERE sequence = NEW.sequence",
    ] {
        for event in ["message-viewed", "device-added", "southbound-queued", "message-reconsidered"] {
            let place = place.another();
            let store = with_pumps(&place, place.open().await).await;
            store.record(place.rejected("1", b"MSH|")).await.unwrap();
            unprotected(&place).await;
            spy(&place, "audit", &format!("NEW.event = '{event}'"), change).await;
            let done = match event {
                "message-viewed" => store.audit(viewed(&place)).await,
                "device-added" => store.add_device(gateway("GW-1"), "alice").await,
                "southbound-queued" => store.queue(order(&place)).await,
                _ => store.record(reconsidered(&place, &store).await.remove(0)).await.map(drop),
            };
            assert!(matches!(done, Err(StoreError::Dropped("audit"))), "{change} {event}: {done:?}");
            assert_eq!(store.devices().await.unwrap().len(), 2, "{event}");
            let orders = OutboxFilter { limit: 5, ..OutboxFilter::default() };
            assert!(store.outbox(&orders).await.unwrap().is_empty());
            assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
            assert_eq!(event_names(&store).await, ["message-rejected"], "{event}");
            // The platform goes on.
            store.record(place.record("2", b"MSH|")).await.unwrap();
            assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok(), "{event}");
        }
    }
}

async fn nothing_is_done_whose_rows_of_the_directory_or_the_outbox_are_changed(place: TestStore) {
    for (table, condition, change, command) in [
        (
            "device",
            "NEW.id = 'GW-1' AND NEW.speaks_for <> '[\"*\"]'",
            "UPDATE device SET speaks_for = '[\"*\"]' WHERE id = NEW.id",
            "add",
        ),
        (
            "device",
            "NEW.status = 'suspended'",
            "UPDATE device SET status = 'active' WHERE id = NEW.id",
            "suspend",
        ),
        (
            "device",
            "NEW.acknowledge = 'original'",
            "UPDATE device SET acknowledge = 'as-asked' WHERE id = NEW.id",
            "describe",
        ),
        ("outbox", "NEW.device = 'PUMP-1'", "UPDATE outbox SET device = 'PUMP-2' WHERE id = NEW.id", "queue"),
        (
            "outbox",
            "NEW.outcome = 'withdrawn'",
            "UPDATE outbox SET outcome = NULL, settled_at = NULL WHERE id = NEW.id",
            "withdraw",
        ),
        (
            "outbox",
            "NEW.outcome = 'withdrawn'",
            "UPDATE outbox SET outcome = NULL, settled_at = NULL WHERE id = NEW.id",
            "remove",
        ),
    ] {
        let place = place.another();
        let store = with_pumps(&place, place.open().await).await;
        let pump: DeviceId = "PUMP-1".parse().unwrap();
        let waiting = order(&place);
        if matches!(command, "withdraw" | "remove") {
            store.queue(waiting.clone()).await.unwrap();
        }
        let before = (store.devices().await.unwrap(), event_names(&store).await);
        spy(&place, table, condition, change).await;
        let done = match command {
            "add" => store.add_device(gateway("GW-1"), "alice").await,
            "suspend" => store.set_device_status(&pump, DeviceStatus::Suspended, "alice").await,
            "describe" => {
                let entry = before.0[0].clone();
                store.describe_device(Device { acknowledge: AcknowledgeAs::Original, ..entry }, "alice").await
            }
            "queue" => store.queue(waiting).await,
            "withdraw" => store.withdraw(waiting.id, &waiting.device, "alice").await.map(drop),
            _ => store.remove_device(&pump, "alice").await.map(drop),
        };
        assert!(matches!(done, Err(StoreError::Dropped(of)) if of == table), "{command}: {done:?}");
        assert_eq!((store.devices().await.unwrap(), event_names(&store).await), before, "{command}");
    }
}

async fn other_entries_of_the_batch_are_written(place: TestStore) {
    let store = place.open().await;
    unprotected(&place).await;
    spy(
        &place,
        "audit",
        "NEW.event = 'message-viewed'",
        "UPDATE audit SET details = '{}' WHERE sequence = NEW.sequence AND details <> '{}'",
    )
    .await;
    let records = (0..20).map(|n| store.record(place.record(&n.to_string(), b"MSH|")));
    let (stored, viewed) = tokio::join!(join_all(records), store.audit(viewed(&place)));
    assert!(matches!(viewed, Err(StoreError::Dropped("audit"))), "{viewed:?}");
    assert!(stored.into_iter().all(|outcome| matches!(outcome, Ok(RecordOutcome::Stored(_)))));
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

/// The rejected messages, as they are accepted later.
async fn reconsidered(place: &TestStore, store: &Store) -> Vec<MessageRecord> {
    let rejected = store.messages(&MessageFilter { rejected: true, ..ANY }).await.unwrap();
    let accepted = rejected.into_iter().map(|row| MessageRecord {
        reconsideration: Some(Box::new(Reconsideration {
            original: row.id,
            rejection: "identity-mismatch".to_owned(),
            actor: "alice".to_owned(),
        })),
        ..place.record(&row.control_id, b"MSH|")
    });
    accepted.collect()
}

/// Also behind the first batch of a process, which takes another way on PostgreSQL.
async fn messages_that_are_reconsidered_one_after_the_other_are_all_linked(place: TestStore) {
    let store = place.open().await;
    for n in 0..3 {
        store.record(place.rejected(&n.to_string(), b"MSH|")).await.unwrap();
    }
    for record in reconsidered(&place, &store).await {
        store.record(record).await.unwrap();
    }
    let mut direct = place.connect_directly().await;
    assert_eq!(direct.texts("SELECT actor FROM reconsidered").await, ["alice"; 3]);
}
