//! Tests of the audit trail.

use super::*;

battery! {
    audit_rows_cannot_be_changed_or_deleted,
    the_audit_trail_is_read_by_page_event_and_time,
    an_entry_that_cannot_be_stored_fails_alone,
}

async fn audit_rows_cannot_be_changed_or_deleted(place: TestStore) {
    let store = place.open().await;
    store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    let attempts: &[&str] = if place.is_postgres() {
        &[
            "UPDATE audit SET event = 'nothing'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "INSERT INTO audit SELECT 1, node, 9, 0, 'nothing', '{}', hash FROM audit
                ON CONFLICT (sequence) DO UPDATE SET event = 'nothing'",
        ]
    } else {
        &[
            "UPDATE audit SET event = 'nothing'",
            "DELETE FROM audit",
            "INSERT OR REPLACE INTO audit SELECT 1, node, 9, 0, 'nothing', '{}', hash FROM audit",
            "INSERT OR REPLACE INTO audit SELECT 9, node, number, 0, 'nothing', '{}', hash FROM audit",
            "INSERT INTO audit SELECT 1, node, 9, 0, 'nothing', '{}', hash FROM audit WHERE TRUE
                ON CONFLICT DO UPDATE SET event = 'nothing'",
        ]
    };
    for sql in attempts {
        let error = place.execute(sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let details = r#"{"reason":"requested"}"#;
    let node = NodeName::from_hostname();
    let link = ChainHead::START.next(&node, place.clock.now(), "platform-stopped", details);
    let row = AuditRow {
        sequence: 1,
        node,
        number: 1,
        at: place.clock.now(),
        event: "platform-stopped".to_owned(),
        details: details.to_owned(),
        hash: link.hash,
        is_distorted: false,
    };
    assert_eq!(store.audit_rows(&TRAIL).await.unwrap(), [row]);
}

async fn the_audit_trail_is_read_by_page_event_and_time(place: TestStore) {
    let store = place.open().await;
    for _ in 0..3 {
        store.audit(Event::PlatformStarted { version: "1".to_owned(), listen: vec![] }).await.unwrap();
        store.audit(Event::PlatformStopped { reason: StopReason::Fault }).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let rows = async |filter: AuditFilter| -> Vec<u64> {
        store.audit_rows(&filter).await.unwrap().into_iter().map(|row| row.sequence).collect()
    };
    assert_eq!(rows(AuditFilter { page: Page::Latest, limit: 2, ..TRAIL }).await, [6, 5]);
    assert_eq!(rows(AuditFilter { page: Page::Before(5), limit: 2, ..TRAIL }).await, [4, 3]);
    assert_eq!(rows(AuditFilter { page: Page::After(4), ..TRAIL }).await, [5, 6]);
    let event = Some("platform-started".to_owned());
    assert_eq!(rows(AuditFilter { event, page: Page::Latest, ..TRAIL }).await, [5, 3, 1]);
    let since = Some(place.clock.now() - jiff::SignedDuration::from_secs(61));
    assert_eq!(rows(AuditFilter { since, ..TRAIL }).await, [5, 6]);
}

async fn an_entry_that_cannot_be_stored_fails_alone(place: TestStore) {
    let store = place.open().await;
    let poison = if place.is_postgres() {
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON audit FOR EACH ROW WHEN (NEW.details LIKE '%poison%')
         EXECUTE FUNCTION poison()"
    } else {
        "CREATE TRIGGER poison BEFORE INSERT ON audit WHEN NEW.details LIKE '%poison%'
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    };
    place.execute(poison).await.unwrap();
    let outcomes = join_all((0..20).map(|n| {
        let mut record = place.record(&n.to_string(), b"message");
        if n % 7 == 3 {
            record.device = "poison".parse().unwrap();
        }
        store.record(record)
    }))
    .await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        if n % 7 == 3 {
            assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Ok(RecordOutcome::Stored(_))), "{outcome:?}");
        }
    }
    // No message was stored without its audit row.
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 17);
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    assert!(rows.iter().map(|row| row.number).eq(1..=17));
}
