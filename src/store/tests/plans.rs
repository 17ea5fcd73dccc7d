//! Tests of query plans: listings read an index in its order, whatever the size of the store.

use super::*;
use crate::model::Searched;
use crate::store::ForwardFilter;
use crate::store::read::audit::select_audit_rows;
use crate::store::read::message::{Lookup, select_floor, select_messages};
use crate::store::read::partner::{SELECT_STANDINGS, select_due, select_due_of};
use crate::store::read::projection::{select_groups, select_open, select_resources};
use crate::store::records::audit::WITHOUT_MESSAGES;
use crate::store::statement::Statement;
use crate::store::write::partner::step_statement;
use crate::store::write::{envelope, forward, projection, retention, search_key};

async fn plan(store: &Store, statement: Statement) -> String {
    let rows = store.reader().fetch(statement.prefixed("EXPLAIN QUERY PLAN ")).await.unwrap();
    rows.iter().map(|row| row.get::<String>("detail").unwrap() + "\n").collect()
}

#[tokio::test]
async fn notifications_of_partners_are_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    let (now, name) = (store.now(), "lab".parse().unwrap());
    let devices: [DeviceId; 2] = ["PUMP-1", "PUMP-2"].map(|device| device.parse().unwrap());
    let organisation = "2.25.1".parse().unwrap();
    let subscriptions = std::slice::from_ref(&name);
    for is_new in [false, true] {
        let due = Due {
            organisation: &organisation,
            subscriptions,
            devices: None,
            max_deliveries: 3,
            is_new,
            limit: 10,
        };
        let found = plan(&store, select_due(&due, &name, now)).await;
        let index = if is_new { "partner_notification_new" } else { "partner_notification_due" };
        assert!(found.contains(&format!("{index} (subscription=? AND visible_at<?)")), "{found}");
        assert!(!found.contains("TEMP B-TREE"), "{found}");
        // However many wait that the client may not have.
        let found = plan(&store, select_due_of(&due, (&name, &devices), now)).await;
        let name = if is_new { "new_of_device" } else { "of_device" };
        let index = format!("partner_notification_{name} (subscription=? AND device=? AND visible_at<?)");
        assert!(found.contains(&index) && !found.contains("TEMP B-TREE"), "{found}");
    }
    let plan_of_standings = plan(&store, Statement::new(SELECT_STANDINGS).bind(10_u32)).await;
    assert!(!plan_of_standings.contains("SCAN partner_notification"), "{plan_of_standings}");
    assert!(!plan_of_standings.contains("TEMP B-TREE"), "{plan_of_standings}");
    for step in [
        NotificationStep::NotAcknowledged { max_deliveries: 3 },
        NotificationStep::Expired { before: now },
        NotificationStep::Forgotten { state: NotificationState::Dead, before: now },
        NotificationStep::Distant { longest_wait: jiff::SignedDuration::from_secs(1) },
        NotificationStep::Removed,
    ] {
        let plan = plan(&store, step_statement(&step, now)).await;
        assert!(
            !plan.contains("SCAN partner_notification") && !plan.contains("SCAN own"),
            "{step:?}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{step:?}: {plan}");
    }
}

#[tokio::test]
async fn listings_of_messages_read_an_index_in_its_order() {
    let place = TestStore::new();
    let store = place.open().await;
    let id = Some(place.record("1", b"").id);
    let (device, since) = (Some(DeviceId::parse("PUMP-1").unwrap()), Some(place.clock.now()));
    let identity = DeviceIdentity::parse("00A0370000000001");
    let key = store.patient_key().await.search_key(Searched::Patient, "4711");
    let of_device = || MessageFilter { device: device.clone(), ..ANY };
    for (filter, index) in [
        (ANY, "sqlite_autoindex_message"),
        (MessageFilter { before: id, ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { since, ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { kind: Some("PCD-01".to_owned()), ..ANY }, "sqlite_autoindex_message"),
        (MessageFilter { rejected: true, ..ANY }, "message_rejected"),
        (MessageFilter { reason: Some("x".to_owned()), ..ANY }, "message_rejection (rejection=?)"),
        (
            MessageFilter { control_id: Some("1".to_owned()), rejected: true, ..ANY },
            "message_rejected_control_id (<expr>=?)",
        ),
        (of_device(), "message_device (device=?)"),
        (MessageFilter { rejected: true, ..of_device() }, "message_device_rejected (device=?)"),
        (MessageFilter { identity: identity.clone(), ..ANY }, "PRIMARY KEY (identity=?)"),
        (MessageFilter { identity: identity.clone(), ..of_device() }, "PRIMARY KEY (identity=?)"),
        (
            MessageFilter { identity: identity.clone(), before: id, ..ANY },
            "PRIMARY KEY (identity=? AND message<?)",
        ),
        (
            MessageFilter { identity: identity.clone(), since, ..ANY },
            "PRIMARY KEY (identity=? AND message>?)",
        ),
        (MessageFilter { forward: Some(ForwardFilter::Waiting), ..ANY }, "forward_oldest"),
        (MessageFilter { forward: Some(ForwardFilter::Refused), ..ANY }, "forward_refused_message"),
        (
            MessageFilter { forward: Some(ForwardFilter::Refused), ..of_device() },
            "forward_refused_device (device=?)",
        ),
        (
            MessageFilter { forward: since.map(ForwardFilter::RefusedSince), before: id, ..of_device() },
            "forward_refused_device (device=? AND message<?)",
        ),
        (MessageFilter { key, ..ANY }, "PRIMARY KEY (hash=?)"),
        (MessageFilter { key, identity: identity.clone(), ..of_device() }, "PRIMARY KEY (hash=?)"),
        (MessageFilter { key, before: id, ..ANY }, "PRIMARY KEY (hash=? AND message<?)"),
        (MessageFilter { before: id, ..of_device() }, "message_device (device=? AND id<?)"),
        (MessageFilter { since, ..of_device() }, "message_device (device=? AND id>?)"),
    ] {
        let plan = plan(&store, select_messages(&filter, None, Lookup::Named)).await;
        assert!(plan.contains(index), "{filter:?}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
    }
}

#[tokio::test]
async fn what_belongs_to_removed_messages_is_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    for (delete, index) in [
        (envelope::DELETE, "PRIMARY KEY (message=?)"),
        (forward::DELETE_SETTLED, "PRIMARY KEY (message=?)"),
        (search_key::DELETE, "message_key_message (message=?)"),
    ] {
        let removed = [place.record("1", b"").id, place.record("2", b"").id];
        let plan = plan(&store, retention::rows_of(delete, &removed)).await;
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{delete}: {plan}");
    }
    let oldest =
        plan(&store, Statement::new("SELECT message FROM message_key ORDER BY message LIMIT 1")).await;
    assert!(oldest.contains("message_key_message") && !oldest.contains("TEMP B-TREE"), "{oldest}");
}

#[tokio::test]
async fn the_audit_trail_is_read_in_the_order_of_writing() {
    let place = TestStore::new();
    let store = place.open().await;
    for page in [Page::Latest, Page::Before(7), Page::After(7)] {
        for since in [None, Some(place.clock.now())] {
            let filter = AuditFilter { page, since, ..TRAIL };
            let plan = plan(&store, select_audit_rows(&filter, false)).await;
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

#[tokio::test]
async fn the_last_events_about_certificates_are_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    let event = Some(Event::CERTIFICATES_CHANGED.to_owned());
    let plan =
        plan(&store, select_audit_rows(&AuditFilter { event, page: Page::Latest, ..TRAIL }, false)).await;
    let without = AuditFilter { event: Some(WITHOUT_MESSAGES.to_owned()), page: Page::Latest, ..TRAIL };
    let others = self::plan(&store, select_audit_rows(&without, false)).await;
    assert!(others.contains("audit_other") && !others.contains("TEMP B-TREE"), "{others}");
    let is_found = plan.contains("audit_certificates") || plan.contains("audit_event (event=?)");
    assert!(is_found && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[tokio::test]
async fn the_history_of_a_device_is_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    for event in [None, Some("device-suspended".to_owned())] {
        let filter = AuditFilter { device: "D".parse().ok(), event, page: Page::Latest, ..TRAIL };
        let plan = plan(&store, select_audit_rows(&filter, false)).await;
        assert!(plan.contains("audit_device") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
async fn alert_reports_are_found_and_deleted_by_an_index() {
    let place = TestStore::new();
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

#[tokio::test]
async fn hospital_systems_read_the_index_of_resources_in_its_order() {
    let place = TestStore::new();
    let store = place.open().await;
    let now = place.clock.now();
    let from = Some(GroupPlace { at: now, seq: 7 });
    for (of, index) in [
        (GroupsOf::Subject("Patient/1"), "fhir_group_subject (subject=?"),
        (GroupsOf::Device("Device/1"), "fhir_group_device (device=?"),
        (GroupsOf::Changes, "PRIMARY KEY (rowid"),
    ] {
        for (from, since, ascending) in
            [(None, None, false), (from, None, true), (from, Some(now), false), (from, Some(now), true)]
        {
            let page = GroupPage { of, from, since, before: since, ascending, limit: 8 };
            let plan = plan(&store, select_groups(&page)).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{page:?}: {plan}");
            assert!(!plan.contains("SCAN"), "{page:?}: {plan}");
        }
    }
    for (of, index) in [
        (GroupsOf::Subject("Patient/1"), "fhir_group_subject_open (subject=?"),
        (GroupsOf::Device("Device/1"), "fhir_group_device_open (device=?"),
    ] {
        let page = GroupPage { of, from, since: None, before: None, ascending: false, limit: 8 };
        let plan = plan(&store, select_open(&page, now)).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{page:?}: {plan}");
    }
    for (of, index) in [
        (ResourcesOf::Key(7), "PRIMARY KEY (hash=? AND resource>?)"),
        (ResourcesOf::Changes("Device/"), "fhir_resource_changes (<expr>=? AND seq>?)"),
        (ResourcesOf::All("Device/"), "(reference>? AND reference<?)"),
    ] {
        let plan = plan(&store, select_resources(&of, None, 8)).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{of:?}: {plan}");
        assert!(!plan.contains("SCAN"), "{of:?}: {plan}");
    }
    let removed = [place.record("1", b"").id];
    for statement in projection::statements(&removed) {
        let plan = plan(&store, statement).await;
        assert!(plan.contains("fhir_") && !plan.contains("SCAN"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

/// PostgreSQL plans by statistics, so the index needs data: most of it is of alerts, as in a hospital.
#[tokio::test]
async fn postgres_reads_the_index_of_resources_in_its_order() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    for sql in [
        "INSERT INTO fhir_resource (number, reference, message, hash, version, seq, projected_at)
         SELECT n, (CASE WHEN n > 2000 THEN 'Observation/' WHEN n % 4 = 0 THEN 'Patient/' WHEN n % 4 = 1 THEN 'Device/'
            ELSE 'DeviceMetric/' END) || n, decode(lpad(to_hex(n), 32, '0'), 'hex'), n, 1, n, n
         FROM generate_series(1, 30000) AS n",
        "INSERT INTO fhir_group (seq, message, subject, device, alert, at, hash, revision, projected_at, kind)
         SELECT n, decode(lpad(to_hex(n), 32, '0'), 'hex'), 4 + 4 * (n % 400), 1 + 4 * (n % 400), 0, n, n, 3, n,
            CASE WHEN n % 51 = 0 THEN 1 ELSE 0 END
         FROM generate_series(1, 40000) AS n",
        "INSERT INTO fhir_key (hash, resource) SELECT n % 500, n FROM generate_series(1, 2000) AS n",
        "INSERT INTO fhir_version (resource, version, message, projected_at)
         SELECT number, version, message, projected_at FROM fhir_resource",
        "INSERT INTO fhir_removed (reference, until) SELECT 'Patient/' || n, n FROM generate_series(1, 20000) AS n",
        "VACUUM ANALYZE",
    ] {
        place.execute(sql).await.unwrap();
    }
    let (from, since) = (Some(GroupPlace { at: place.clock.now(), seq: 7 }), Some(place.clock.now()));
    let mut read = Vec::new();
    for (of, index) in [
        (GroupsOf::Subject("Patient/4"), "fhir_group_subject"),
        (GroupsOf::Device("Device/1"), "fhir_group_device"),
        (GroupsOf::Changes, "fhir_group_pkey"),
    ] {
        for (from, since, ascending) in [(None, None, false), (from, None, true), (from, since, false)] {
            let page = GroupPage { of, from, since, before: since, ascending, limit: 16 };
            read.push((select_groups(&page), index));
        }
    }
    for (of, index) in [
        (GroupsOf::Subject("Patient/4"), "fhir_group_subject_open"),
        (GroupsOf::Device("Device/1"), "fhir_group_device_open"),
    ] {
        let page = GroupPage { of, from, since, before: None, ascending: false, limit: 16 };
        read.push((select_open(&page, place.clock.now()), index));
    }
    for (of, index) in [
        (ResourcesOf::Key(7), "fhir_key_pkey"),
        (ResourcesOf::Changes("Patient/"), "fhir_resource_changes"),
        (ResourcesOf::All("Device/"), "fhir_resource_reference_key"),
    ] {
        read.push((select_resources(&of, None, 16), index));
    }
    let removed = [MessageId::from_bytes([0; 16])];
    read.extend(projection::statements(&removed).into_iter().map(|statement| (statement, "fhir_")));
    for (statement, index) in read {
        let rows = store.reader().fetch(statement.prefixed("EXPLAIN ")).await.unwrap();
        let plan: String = rows.iter().map(|row| row.get::<String>("QUERY PLAN").unwrap() + "\n").collect();
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{index}: {plan}");
        assert!(!plan.contains("Hash Join") && !plan.contains("Merge Join"), "{plan}");
        assert!(index == "fhir_" || !plan.contains("Sort"), "{plan}");
    }
}

/// PostgreSQL plans by statistics, so the store needs data.
#[tokio::test]
async fn postgres_lists_the_messages_of_a_silent_device_from_an_index() {
    const ROWS: u64 = 20_000;
    let place = TestStore::on_postgres();
    let store = place.open().await;
    place.execute(&rows::sql(true, 0, ROWS, ROWS)).await.unwrap();
    place.execute("VACUUM ANALYZE").await.unwrap();
    let device = |name: &str| MessageFilter { device: Some(name.parse().unwrap()), limit: 50, ..ANY };
    let naming = |name: &str| MessageFilter { identity: DeviceIdentity::parse(name), limit: 50, ..ANY };
    let page = MessageFilter { limit: 50, ..ANY };
    let mut lists = vec![
        (page.clone(), "message_pkey on message", 50),
        (MessageFilter { rejected: true, ..page }, "message_rejected on message", 40),
        (naming("SUB-7"), "message_identity_pkey on message_identity", 10),
        (naming("SUB-RARE"), "message_identity_pkey on message_identity", 40),
        (naming("SILENT"), "message_identity_pkey on message_identity", 50),
        (naming("UNKNOWN"), "message_identity_pkey on message_identity", 0),
    ];
    for (name, found) in [("GATEWAY", 50), ("SILENT", 50), ("PUMP-77", 3), ("RARE", 40), ("UNKNOWN", 0)] {
        lists.push((device(name), "message_device on message", found));
    }
    for name in ["GATEWAY", "SILENT"] {
        lists.push((
            MessageFilter { rejected: true, ..device(name) },
            "message_device_rejected on message",
            1,
        ));
    }
    // The planner expects that few messages with the identity are also of this device or type, so that the
    // page will not be full, and prefers to read everything.
    let silent = || naming("SILENT");
    for (filter, found) in [
        (MessageFilter { device: device("SILENT").device, ..silent() }, 50),
        (MessageFilter { device: device("GATEWAY").device, ..silent() }, 0),
        (MessageFilter { device: device("SILENT").device, rejected: true, ..silent() }, 1),
        (MessageFilter { kind: Some("PCD-01".to_owned()), ..silent() }, 50),
        (MessageFilter { rejected: true, ..silent() }, 1),
        (MessageFilter { device: device("GATEWAY").device, ..naming("SUB-RARE") }, 40),
    ] {
        lists.push((filter, "message_identity_pkey on message_identity", found));
    }
    for (filter, index, found) in lists {
        let before = store.messages(&filter).await.unwrap().last().map(|message| message.id);
        for filter in [MessageFilter { before, ..filter.clone() }, filter.clone()] {
            let explained = select_messages(&filter, None, Lookup::Named).prefixed("EXPLAIN ");
            let rows = store.reader().fetch(explained).await.unwrap();
            let plan: String =
                rows.iter().map(|row| row.get::<String>("QUERY PLAN").unwrap() + "\n").collect();
            let backward = plan.contains(&format!("Backward using {index}"));
            assert!(backward && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{filter:?}: {plan}");
            // One index in its order, and the messages by their identifiers.
            let by_name = plan.contains("Index Scan using message_pkey on message");
            assert_eq!(plan.matches("Scan").count(), 1 + usize::from(by_name), "{filter:?}: {plan}");
            assert_eq!(by_name, filter.identity.is_some(), "{filter:?}: {plan}");
            assert!(!plan.contains("Merge Join") && !plan.contains("Hash Join"), "{filter:?}: {plan}");
        }
        if filter.identity.is_some() && filter.device.is_none() {
            let of_sender = MessageFilter { device: device("SILENT").device, ..filter.clone() };
            let explained = select_messages(&of_sender, None, Lookup::Sender).prefixed("EXPLAIN ");
            let rows = store.reader().fetch(explained).await.unwrap();
            let plan: String =
                rows.iter().map(|row| row.get::<String>("QUERY PLAN").unwrap() + "\n").collect();
            let backward = plan.contains("Backward using message_device");
            assert!(backward && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{filter:?}: {plan}");
        }
        let listed = store.messages(&filter).await.unwrap().len();
        assert!(listed >= found, "{filter:?}: {listed}");
    }
}

/// The work for a batch of deletions depends on the size of the batch only.
#[tokio::test]
async fn postgres_deletes_the_identities_of_pruned_messages_by_an_index() {
    const ROWS: u64 = 20_000;
    let place = TestStore::on_postgres();
    let store = place.open().await;
    place.execute(&rows::sql(true, 0, ROWS, ROWS)).await.unwrap();
    place.execute("VACUUM ANALYZE").await.unwrap();
    store.close().await;
    let mut direct = place.connect_directly().await;
    direct.execute("BEGIN").await.unwrap();
    let prune = "DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY id LIMIT 200)";
    direct.execute(prune).await.unwrap();
    // What this transaction has read so far.
    let read = "SELECT seq_scan || ' ' || seq_tup_read || ' ' || n_tup_del FROM pg_stat_xact_user_tables
                WHERE relname = 'message_identity'";
    assert_eq!(direct.texts(read).await, ["0 0 81"]);
}

/// The filters whose conditions no index has.
fn searches() -> Vec<(MessageFilter, &'static str)> {
    let kind = || Some("PCD-99".to_owned());
    let named = |name: &str| MessageFilter { identity: DeviceIdentity::parse(name), limit: 50, ..ANY };
    let of = |name: &str| Some(name.parse().unwrap());
    let any = MessageFilter { limit: 50, ..ANY };
    let warning = || Some("none".to_owned());
    let all = any.clone();
    vec![
        (MessageFilter { kind: kind(), ..any.clone() }, "message_pkey"),
        (MessageFilter { kind: kind(), device: of("GATEWAY"), ..any.clone() }, "message_device"),
        (MessageFilter { kind: kind(), device: of("SILENT"), ..any.clone() }, "message_device"),
        (MessageFilter { kind: kind(), rejected: true, ..any.clone() }, "message_rejected"),
        (
            MessageFilter { kind: kind(), rejected: true, device: of("GATEWAY"), ..any },
            "message_device_rejected",
        ),
        (MessageFilter { kind: kind(), ..named("SILENT") }, "message_identity_pkey"),
        (MessageFilter { device: of("RARE"), ..named("SILENT") }, "message_identity_pkey"),
        (MessageFilter { rejected: true, ..named("SILENT") }, "message_identity_pkey"),
        (named("SILENT^OTHER-TYPE"), "message_identity_pkey"),
        (MessageFilter { warning: warning(), ..all.clone() }, "message_pkey"),
        (MessageFilter { warning: warning(), rejected: true, ..all.clone() }, "message_rejected"),
        (MessageFilter { control_id: Some("NONE".to_owned()), ..all.clone() }, "message_pkey"),
        (MessageFilter { warning: warning(), ..named("SILENT") }, "message_identity_pkey"),
    ]
}

/// The plan of a statement, on either database.
async fn explained(store: &Store, is_postgres: bool, statement: Statement) -> String {
    if !is_postgres {
        return plan(store, statement).await;
    }
    let rows = store.reader().fetch(statement.prefixed("EXPLAIN ")).await.unwrap();
    let plan: String = rows.iter().map(|row| row.get::<String>("QUERY PLAN").unwrap() + "\n").collect();
    assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    plan
}

/// However many messages there are, and whatever matches: a search reads an index as far as its limit, and
/// only the messages there.
#[tokio::test]
async fn a_search_without_its_index_reads_a_limited_part_of_another_one() {
    const ROWS: u64 = 60_000;
    for place in [TestStore::new(), TestStore::on_postgres()] {
        let is_postgres = place.is_postgres();
        let store = place.open().await;
        place.execute(&rows::sql(is_postgres, 0, ROWS, ROWS)).await.unwrap();
        if is_postgres {
            place.execute("VACUUM ANALYZE").await.unwrap();
        }
        for (filter, index) in searches() {
            assert!(filter.missing_index().is_some(), "{filter:?}");
            let floor = explained(&store, is_postgres, select_floor(&filter)).await;
            let reads_index = if is_postgres {
                floor.contains(&format!("Index Only Scan Backward using {index}"))
            } else {
                floor.contains("INDEX") || floor.contains("PRIMARY KEY (identity=?")
            };
            assert!(reads_index && !floor.contains("TEMP B-TREE"), "{filter:?}: {floor}");
            let (found, end) = store.search_messages(&filter).await.unwrap();
            let Some(end) = end else { continue };
            assert!(found.len() < 50, "{filter:?}");
            let page =
                explained(&store, is_postgres, select_messages(&filter, Some(end.floor), Lookup::Named))
                    .await;
            let backward = !is_postgres || page.contains(&format!("Backward using {index}"));
            assert!(backward && !page.contains("TEMP B-TREE"), "{filter:?}: {page}");
        }
        search_goes_on_where_it_stopped(&store).await;
    }
}

async fn search_goes_on_where_it_stopped(store: &Store) {
    for (filter, _) in searches() {
        let (mut before, mut pages) = (None, 1);
        while let (_, Some(end)) =
            store.search_messages(&MessageFilter { before, ..filter.clone() }).await.unwrap()
        {
            assert!(before.is_none_or(|before| end.floor < before), "{filter:?}");
            (before, pages) = (Some(end.floor), pages + 1);
        }
        assert!(pages < 10, "{filter:?}: {pages}");
    }
    let all = MessageFilter { kind: Some("pcd-01".to_owned()), limit: 50, ..ANY };
    let (found, end) = store.search_messages(&all).await.unwrap();
    assert_eq!((found.len(), end), (50, None), "a page that is full");
    let none = MessageFilter { kind: Some("PCD-99".to_owned()), ..ANY };
    let (_, end) = store.search_messages(&none).await.unwrap();
    assert_eq!(end.unwrap().missing_index, "message (type, id)");
    assert!(store.messages(&none).await.unwrap().is_empty(), "a scan reads everything");
}

#[tokio::test]
async fn a_control_id_is_found_behind_each_device_and_application_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    let of = |device: &str, application: &str, control_id: &str, raw: &'static [u8]| MessageRecord {
        device: device.parse().unwrap(),
        sending_application: application.to_owned(),
        ..place.record(control_id, raw)
    };
    for record in [
        of("A", "X", "7", b"1"),
        of("A", "Y", "7", b"2"),
        of("A", "Y", "8", b"3"),
        of("B", "X", "7", b"4"),
        of("C", "", "9", b"5"),
        place.rejected("7", b"6"),
    ] {
        store.record(record).await.unwrap();
    }
    let found = async |filter: MessageFilter| store.search_messages(&filter).await.unwrap();
    let seven = MessageFilter { control_id: Some("7".to_owned()), ..ANY };
    let (messages, end) = found(seven.clone()).await;
    assert_eq!((messages.len(), end), (4, None));
    assert!(messages.is_sorted_by(|one, next| one.id > next.id));
    assert_eq!(found(MessageFilter { device: Some("A".parse().unwrap()), ..seven.clone() }).await.0.len(), 2);
    assert_eq!(found(MessageFilter { limit: 1, ..seven.clone() }).await.0.len(), 1);
    assert_eq!(found(MessageFilter { control_id: Some("9".to_owned()), ..ANY }).await.0.len(), 1);
    assert_eq!(found(MessageFilter { control_id: Some("none".to_owned()), ..ANY }).await.0.len(), 0);
    let statement = crate::store::read::control_id::select_candidates("7", None);
    let plan = plan(&store, statement).await;
    // The first device is the first entry of the index; all else is looked up.
    assert_eq!(plan.matches("SCAN message").count(), 1, "{plan}");
    assert!(plan.contains("(device=? AND sending_application=? AND control_id=?)"), "{plan}");
}

#[tokio::test]
async fn the_last_rows_of_an_event_are_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    let statement = crate::store::read::glance::select_latest_events(&["audit-signed", "device-added"], 5);
    let plan = plan(&store, statement).await;
    assert_eq!(plan.matches("audit_event (event=?)").count(), 2, "{plan}");
    assert!(!plan.contains("SCAN audit"), "{plan}");
}
