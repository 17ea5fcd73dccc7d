//! Audit rows of the time in which the store fails: they are written afterwards, and what is lost is counted.

use std::time::Duration;

use pcd_platform::pki::KeyType;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use crate::harness::{Device, Platform, Site, Wire, eventually, wait_for};

const NAME: &str = "00A037FFFE000001";

/// A transaction that keeps the platform from writing audit rows.
struct Held {
    runtime: Runtime,
    _sqlite: Option<SqliteConnection>,
    _postgres: Option<PgConnection>,
}

impl Held {
    fn begin(site: &Site) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut sqlite, mut postgres) = (None, None);
        runtime.block_on(async {
            if let Some(url) = site.database() {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                postgres = Some(connection);
            } else {
                let options = SqliteConnectOptions::new().filename(site.path().join("platform.db"));
                let mut connection = options.busy_timeout(Duration::from_secs(60)).connect().await.unwrap();
                sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
                sqlite = Some(connection);
            }
        });
        Self { runtime, _sqlite: sqlite, _postgres: postgres }
    }

    fn end(self) {
        self.runtime.block_on(async {
            if let Some(mut connection) = self._sqlite {
                sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
            }
            if let Some(mut connection) = self._postgres {
                sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
            }
        });
    }
}

fn deferred(platform: &Platform) -> f64 {
    platform.metric("pcd_audit_deferred_rows")
}

#[test]
fn refusals_of_the_time_of_an_outage_are_in_the_trail_afterwards_with_their_details() {
    for site in Site::on_each_store() {
        let platform = site.start();
        let held = Held::begin(&site);
        let strangers = ["STRANGER-1", "STRANGER-2", "STRANGER-3"];
        std::thread::scope(|scope| {
            for name in strangers {
                let own = site.certificate(name, KeyType::Ecc);
                let (site, address) = (&site, platform.address);
                scope.spawn(move || drop(Device::connect(site, address, &own)));
            }
        });
        eventually("the rows wait", || deferred(&platform) >= 3.0);
        held.end();
        eventually("the rows are written", || deferred(&platform) == 0.0);
        let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
        for name in strangers {
            let row = rows.iter().find(|row| row["details"]["certificate"]["common-name"] == name);
            assert_eq!(row.map(|row| &row["details"]["refusal"]), Some(&"unknown-device".into()), "{rows:?}");
        }
        assert!(platform.cli().json(&["audit", "list", "--event", "audit-rows-lost"]).is_empty());
        assert_eq!(platform.metric("pcd_audit_lost_rows_total"), 0.0);
        assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
        assert!(platform.stop().log.contains("it waits in memory until the store has recovered"));
    }
}

#[test]
fn audit_rows_that_do_not_fit_into_memory_are_counted_in_the_trail() {
    let site = Site::new().with("audit", "max-deferred-rows = 2");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let held = Held::begin(&site);
    // Devices are admitted all the same: one row when the session begins, one when it ends.
    for _ in 0..3 {
        Wire::connect(&site, platform.address, &own).close();
    }
    let lost = || platform.metric("pcd_audit_lost_rows_total");
    wait_for("rows are lost", lost, |lost| *lost == 4.0);
    assert_eq!(deferred(&platform), 2.0);
    held.end();
    let rows = || platform.cli().json(&["audit", "list", "--event", "audit-rows-lost"]);
    eventually("the trail says so", || !rows().is_empty());
    let row = &rows()[0]["details"];
    assert_eq!(row["count"], 4, "{row}");
    assert!(row["first"].as_str().unwrap() <= row["last"].as_str().unwrap(), "{row}");
    eventually("nothing waits", || deferred(&platform) == 0.0);
    platform.stop();
}
