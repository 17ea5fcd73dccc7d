//! How SQLite looks for what is listed: by an index and in its order, however much there is.

use super::*;
use crate::store::read::{select_audit_rows, select_messages};
use crate::store::statement::Statement;

async fn plan(store: &Store, statement: Statement) -> String {
    let rows = store.0.reader.fetch(statement.behind("EXPLAIN QUERY PLAN ")).await.unwrap();
    rows.iter().map(|row| row.get::<String>("detail").unwrap() + "\n").collect()
}

#[tokio::test]
async fn a_list_of_messages_is_read_from_an_index_in_its_order() {
    let place = Place::new();
    let store = place.open().await;
    let id = Some(place.record("1", b"").id);
    let (device, since) = (Some(DeviceId::parse("PUMP-1").unwrap()), Some(place.clock.now()));
    let of_device = || MessageFilter { device: device.clone(), ..ANY };
    for (filter, index) in [
        (ANY, "sqlite_autoindex_message"),
        (MessageFilter { before: id, ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { since, ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { kind: Some("PCD-01".to_owned()), ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { rejected: true, ..ANY }, "message_rejected"),
        (of_device(), "message_device (device=?)"),
        (MessageFilter { before: id, ..of_device() }, "message_device (device=? AND id<?)"),
        (MessageFilter { since, ..of_device() }, "message_device (device=? AND id>?)"),
    ] {
        let plan = plan(&store, select_messages(&filter)).await;
        assert!(plan.contains(index), "{filter:?}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
    }
}

#[tokio::test]
async fn the_audit_trail_is_read_in_the_order_in_which_it_was_written() {
    let place = Place::new();
    let store = place.open().await;
    for page in [Page::Latest, Page::Before(7), Page::After(7)] {
        for since in [None, Some(place.clock.now())] {
            let filter = AuditFilter { page, since, ..TRAIL };
            let plan = plan(&store, select_audit_rows(&filter)).await;
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

#[tokio::test]
async fn what_was_said_last_of_certificates_is_found_at_once() {
    let place = Place::new();
    let store = place.open().await;
    let event = Some(Event::CERTIFICATES_CHANGED.to_owned());
    let plan = plan(&store, select_audit_rows(&AuditFilter { event, page: Page::Latest, ..TRAIL })).await;
    assert!(plan.contains("audit_certificates") && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[tokio::test]
async fn reports_of_alerts_are_found_and_forgotten_by_an_index() {
    let place = Place::new();
    let store = place.open().await;
    for (sql, index) in [
        (
            "SELECT first_control_id FROM alert_report WHERE device = 'D' AND report = x'00'",
            "PRIMARY KEY (device=? AND report=?)",
        ),
        (
            "SELECT message FROM alert_report WHERE device = 'D' AND filler = x'00' ORDER BY message DESC LIMIT 1",
            "alert_report_filler (device=? AND filler=?)",
        ),
        (
            "SELECT report FROM alert_report WHERE last_message < x'00' ORDER BY last_message LIMIT 1",
            "alert_report_last (last_message<?)",
        ),
    ] {
        let plan = plan(&store, Statement::new(sql)).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
