//! Tests of the rights that the platform's role has in PostgreSQL: those that the documentation grants, those
//! that the platform tests, and what happens without one.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{MessageKind, Permit};
use crate::pcd::{AlertKey, AlertReport, Filler};
use crate::store::fixtures::cluster::Cluster;
use crate::store::postgres::rights::{Need, RIGHTS};
use crate::store::write::entry::Write;

/// A block of SQL in the documentation, by its first line.
fn documented(first_line: &str) -> &'static str {
    let text = include_str!("../../../docs/howto/postgresql.md");
    let blocks = text.split("```sql\n").skip(1).filter_map(|block| block.split("```").next());
    let mut found = blocks.filter(|block| block.lines().next() == Some(first_line));
    let block = found.next().unwrap_or_else(|| panic!("no block begins with {first_line}"));
    assert!(found.next().is_none());
    block
}

const ROLES: &str = "-- as an administrator, once";
const GRANTS: &str = "-- as the owner, in the database";
const SIZE_GRANTS: &str = "-- as the owner, in the database, only with a limit by size";
const AUDIT_GRANTS: &str = "-- as the owner, in the database, only with a duration as retain-audit";

const DEFAULT: Removals = Removals { messages: true, audit: false, by_size: false };
const ALL: Removals = Removals { messages: true, audit: true, by_size: true };

/// A server with the documented roles and database, without a table.
struct Server {
    cluster: Cluster,
    owner: String,
    serving: String,
}

impl Server {
    fn start() -> Self {
        let cluster = Cluster::start();
        for statement in documented(ROLES).split_inclusive(';').filter(|text| text.contains(';')) {
            cluster.sql("postgres", statement);
        }
        let (owner, serving) = (cluster.url("pcd_owner", "pcd"), cluster.url("pcd", "pcd"));
        Self { cluster, owner, serving }
    }

    async fn with_tables() -> Self {
        let server = Self::start();
        Store::open(&server.owner, Clock::system()).await.unwrap().close().await;
        server
    }

    async fn as_owner(&self, sql: &str) {
        let mut owner = PgConnection::connect(&self.owner).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut owner).await.unwrap();
        owner.close().await.unwrap();
    }

    async fn open(&self, place: &TestStore) -> Store {
        Store::open(&self.serving, place.clock.clone()).await.unwrap()
    }

    /// The server's processes for the platform's role.
    fn backends(&self) -> BTreeSet<String> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE usename = 'pcd'";
        self.cluster.sql("pcd", sql).lines().map(str::to_owned).collect()
    }
}

fn lacking(checked: Result<(), StoreError>) -> String {
    match checked {
        Ok(()) => String::new(),
        Err(StoreError::NotGranted(missing)) => missing,
        Err(error) => panic!("{error:?}"),
    }
}

/// `(privilege, table)` of each grant.
fn granted(block: &str) -> BTreeSet<(String, String)> {
    let text: String = block.lines().filter_map(|line| line.split("--").next()).collect();
    let statements = text.split(';').map(str::trim).filter(|text| !text.is_empty());
    let mut granted = BTreeSet::new();
    for statement in statements {
        let (privileges, tables) = statement.strip_prefix("GRANT ").unwrap().split_once(" ON ").unwrap();
        let tables = tables.strip_suffix(" TO pcd").unwrap();
        for table in tables.split(',') {
            for privilege in privileges.split(',') {
                assert!(
                    granted.insert((privilege.trim().to_owned(), table.trim().to_owned())),
                    "{statement}"
                );
            }
        }
    }
    granted
}

#[test]
fn the_documented_grants_are_the_rights_that_the_platform_tests() {
    let tested = |is_meant: fn(Need) -> bool| -> BTreeSet<_> {
        let rights = RIGHTS.iter().filter(|rights| is_meant(rights.need));
        rights
            .flat_map(|rights| {
                rights.privileges.iter().map(|one| ((*one).to_owned(), rights.table.to_owned()))
            })
            .collect()
    };
    assert_eq!(
        granted(documented(GRANTS)),
        tested(|need| matches!(need, Need::Always | Need::RemovingMessages))
    );
    assert_eq!(granted(documented(SIZE_GRANTS)), tested(|need| need == Need::LimitingSize));
    assert_eq!(granted(documented(AUDIT_GRANTS)), tested(|need| need == Need::RemovingAudit));
}

/// A migration that adds a table has to say what the platform does with it.
#[tokio::test]
async fn every_table_of_the_schema_has_its_rights() {
    let place = TestStore::on_postgres();
    place.open().await.close().await;
    let tables = "SELECT relname::text FROM pg_class
        WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p')";
    let tables: BTreeSet<_> = place.connect_directly().await.texts(tables).await.into_iter().collect();
    assert_eq!(tables, RIGHTS.iter().map(|rights| rights.table.to_owned()).collect());
}

#[tokio::test]
async fn each_right_that_is_missing_is_named() {
    let server = Server::with_tables().await;
    server.as_owner(documented(GRANTS)).await;
    let store = server.open(&TestStore::new()).await;
    assert_eq!(lacking(store.check_rights(DEFAULT).await), "");
    let missing = lacking(store.check_rights(ALL).await);
    assert!(
        missing.contains("DELETE on audit") && missing.contains("INSERT, UPDATE on audit_begin"),
        "{missing}"
    );
    assert!(missing.contains("on message_volume"), "{missing}");
    server.as_owner(documented(AUDIT_GRANTS)).await;
    server.as_owner(documented(SIZE_GRANTS)).await;
    for rights in &RIGHTS {
        for privilege in rights.privileges {
            let table = rights.table;
            server.as_owner(&format!("REVOKE {privilege} ON {table} FROM pcd")).await;
            assert_eq!(lacking(store.check_rights(ALL).await), format!("{privilege} on {table}"));
            assert_eq!(
                lacking(Store::check_rights_at(&server.serving, ALL).await),
                format!("{privilege} on {table}")
            );
            let none = lacking(store.check_rights(Removals::default()).await);
            assert_eq!(none.is_empty(), rights.need != Need::Always, "{none}");
            server.as_owner(&format!("GRANT {privilege} ON {table} TO pcd")).await;
        }
    }
    // What the examination of the tables reads.
    server.cluster.sql("pcd", "REVOKE SELECT ON pg_catalog.pg_trigger FROM public");
    assert_eq!(lacking(store.check_rights(ALL).await), "SELECT on pg_catalog.pg_trigger");
    let closed = lacking(Store::check_rights_at(&server.serving, ALL).await);
    assert_eq!(closed, "SELECT on pg_catalog.pg_trigger");
    server.cluster.sql("pcd", "GRANT SELECT ON pg_catalog.pg_trigger TO public");
    server.cluster.sql("pcd", "REVOKE ALL ON SCHEMA public FROM public");
    assert_eq!(lacking(store.check_rights(ALL).await), "USAGE on the schema of the tables");
    server
        .cluster
        .sql("pcd", "GRANT USAGE ON SCHEMA public TO public; REVOKE CONNECT ON DATABASE pcd FROM public");
    assert_eq!(lacking(store.check_rights(ALL).await), "CONNECT on database pcd");
}

/// After everything that a test has written: identifiers of messages never go back behind those of other
/// tests.
fn soon() -> Timestamp {
    Clock::system().now() + Duration::from_secs(60)
}

async fn use_everything(store: &Store, place: &TestStore) {
    store.check().await.unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
    store.record(place.rejected("2", b"message")).await.unwrap();
    let seen = MessageRecord { not_allowed: vec!["A".to_owned()], ..place.record("3", b"message") };
    store.record(seen).await.unwrap();
    let filler = Filler { number: b"1".to_vec(), namespace: Vec::new(), assigner: Vec::new() };
    let (event, phase) = (b"196670".to_vec(), b"start".to_vec());
    let key = AlertKey { filler, event, phase, time: b"2026".to_vec(), equipment: Vec::new() };
    let alert = AlertReport { key, continues: None, device: Vec::new() };
    for id in ["4", "5"] {
        let raw = Bytes::copy_from_slice(id.as_bytes());
        let record = MessageRecord { alerts: vec![alert.clone()], raw, ..place.record(id, b"") };
        store.record(record).await.unwrap();
    }
    store.add_device(gateway("A"), "alice").await.unwrap();
    store.describe_device(gateway("A"), "alice").await.unwrap();
    store.set_device_status(&gateway("A").id, DeviceStatus::Suspended, "alice").await.unwrap();
    store.remove_device(&gateway("A").id, "alice").await.unwrap();
    store.keep_clock(Clock::system().now()).await.unwrap();
    store.confirm_clock(soon(), soon(), "alice".to_owned()).await.unwrap();
    assert!(store.confirmed_clock().await.unwrap().unwrap().server_now.is_some());
    store.sign_audit(&Repeating, &Repeating).await.unwrap();
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 5);
    assert_eq!(store.prune_messages(soon(), &Repeating).await.unwrap(), 5);
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

#[tokio::test]
async fn the_documented_role_can_serve_and_cannot_change_the_trail() {
    let server = Server::start();
    let place = TestStore::new();
    let open = async || Store::open(&server.serving, place.clock.clone()).await;
    let opened = open().await;
    assert!(matches!(opened, Err(StoreError::NoTables(_))), "the tables do not exist: {opened:?}");
    let planned = Store::plan_migration(&server.serving).await;
    assert!(matches!(&planned, Err(StoreError::NoTables(_))), "{planned:?}");
    Store::open(&server.owner, place.clock.clone()).await.unwrap().close().await;
    let opened = open().await;
    assert!(matches!(opened, Err(StoreError::Denied(_))), "no privilege was granted: {opened:?}");
    server.as_owner(documented(GRANTS)).await;
    let store =
        Store::serve("here".parse().unwrap(), &server.serving, MigrationPolicy::Never, place.clock.clone());
    let store = store.await.unwrap();
    use_everything(&store, &place).await;

    let mut as_platform = PgConnection::connect(&server.serving).await.unwrap();
    for sql in [
        "UPDATE audit SET event = 'nothing'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DROP TRIGGER audit_only_grows ON audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "UPDATE message SET raw = ''",
        "CREATE TABLE mine (id INT)",
    ] {
        let error = sqlx::raw_sql(sql).execute(&mut as_platform).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("permission denied") || text.contains("must be owner"), "{sql}: {text}");
    }
    let removed = store.prune_audit(soon(), u64::MAX, &Repeating).await;
    assert!(matches!(removed, Err(StoreError::Denied(_))), "{removed:?}");
    server.as_owner(documented(AUDIT_GRANTS)).await;
    assert!(store.prune_audit(soon(), u64::MAX, &Repeating).await.unwrap() > 0);
    let error = sqlx::raw_sql("DELETE FROM audit").execute(&mut as_platform).await.unwrap_err();
    assert!(error.to_string().contains("append-only"), "{error}");
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

#[tokio::test]
async fn a_denied_statement_fails_alone_and_its_connection_stays() {
    let server = Server::with_tables().await;
    server.as_owner(documented(GRANTS)).await;
    server
        .as_owner("REVOKE DELETE ON device, message FROM pcd; REVOKE UPDATE ON alert_report FROM pcd")
        .await;
    let place = TestStore::new();
    let store = server.open(&place).await;
    store.add_device(gateway("A"), "alice").await.unwrap();
    store.record(place.record("old", b"message")).await.unwrap();
    let backends = server.backends();
    let records = (0..20).map(|n| store.record(place.record(&n.to_string(), b"message")));
    let removal = async { store.remove_device(&gateway("A").id, "alice").await };
    let pruning = async { store.prune_messages(soon(), &Repeating).await };
    // All of them are queued before the writer runs.
    let (stored, removed, pruned) = tokio::join!(join_all(records), removal, pruning);
    stored.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    assert!(matches!(removed, Err(StoreError::Denied(_))), "{removed:?}");
    assert!(matches!(pruned, Err(StoreError::Denied(_))), "{pruned:?}");
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 21);
    assert!(server.backends().is_superset(&backends), "the writer has a new connection");
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());

    // The server logs a kind of statement once for a batch, not for each message.
    server.as_owner("REVOKE INSERT ON message FROM pcd").await;
    let records = (20..40).map(|n| store.record(place.record(&n.to_string(), b"message")));
    let (denied, written) = tokio::join!(join_all(records), store.sign_audit(&Repeating, &Repeating));
    assert!(denied.iter().all(|outcome| matches!(outcome, Err(StoreError::Denied(_)))), "{denied:?}");
    assert!(written.is_ok(), "{written:?}");
    let lines = server.cluster.log().matches("permission denied for table message\n").count();
    assert!((1..=8).contains(&lines), "{lines} lines for 20 messages");
    assert!(server.backends().is_superset(&backends), "the writer has a new connection");
}

/// Where messages stay forever the role has no such right, and the server's log gets no error.
#[tokio::test]
async fn an_old_copy_that_cannot_be_removed_is_acknowledged_again() {
    let server = Server::with_tables().await;
    server.as_owner(documented(GRANTS)).await;
    server.as_owner("REVOKE DELETE ON message FROM pcd").await;
    let place = TestStore::new();
    let store = server.open(&place).await;
    // Those of other tests can be ahead.
    let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
    let first = MessageRecord { id, ..place.record("1", b"message") };
    store.record(first.clone()).await.unwrap();
    place.clock.advance(Duration::from_hours(72));
    let resent = store.record(place.record("1", b"message")).await.unwrap();
    assert!(matches!(resent, RecordOutcome::Resend { original, .. } if original == first.id), "{resent:?}");
    assert_eq!(event_names(&store).await, ["message-accepted", "message-resent"]);
    assert!(!server.cluster.log().contains("permission denied"), "{}", server.cluster.log());
    // Where retention removes messages, what it would remove at once is not acknowledged.
    store.messages_stay(Some(Duration::from_secs(30 * 86_400)));
    let denied = store.record(place.record("1", b"message")).await;
    assert!(matches!(denied, Err(StoreError::Denied(_))), "{denied:?}");
    server.as_owner("GRANT DELETE ON message TO pcd").await;
    let stored = store.record(place.record("1", b"message")).await.unwrap();
    assert!(matches!(stored, RecordOutcome::Stored(_)), "{stored:?}");
}

/// Without its batch of its own, a removal that waits for a lock would make the messages wait as well, and
/// fail with them.
#[tokio::test]
async fn a_removal_that_fails_fails_no_message() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    store.record(place.record("old", b"old")).await.unwrap();
    place
        .execute(
            "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER never BEFORE DELETE ON message FOR EACH ROW EXECUTE FUNCTION never()",
        )
        .await
        .unwrap();
    for round in 0..3 {
        let records = (0..10).map(|n| store.record(place.record(&format!("{round} {n}"), b"new")));
        // Queued before the writer runs: they would be one batch.
        let removal = store.write(Write::PruneMessages {
            first: Some(MessageId::from_bytes([0; 16])),
            permit: Box::new(Permit::sign(&Repeating, store.node(), MessageKind::Any, soon()).unwrap()),
            limit: 10,
        });
        let (stored, pruned) = tokio::join!(join_all(records), removal);
        stored.into_iter().for_each(|outcome| drop(outcome.unwrap()));
        assert!(matches!(pruned, Err(StoreError::Unreachable(_))), "{pruned:?}");
    }
}
