//! A platform whose messages a hospital system reads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role, TestPki};
use rusqlite::{Connection, OpenFlags};
use rustls::ClientConfig;

use crate::feed::{DEVICES, device};
use crate::site::{self, Credential, Platform, Site};

pub(crate) struct Hospital {
    pub(crate) site: Site,
    pub(crate) platform: Platform,
    pub(crate) reader: Arc<ClientConfig>,
}

impl Hospital {
    /// With a registered client, and without an index.
    pub(crate) fn new() -> Self {
        let site = Site::new();
        let folder = site.path().join("community");
        let community = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).expect("a PKI");
        let own = community
            .issue(&CertificateOrder::new("reader", Role::Device, KeyType::Ecc))
            .expect("a certificate");
        let roots = community.trust_anchors();
        site.change(|text| {
            let text = text.replace("installed-crls = [\"pki/crl\"]", "installed-crls = [\"pki/crl\", \"community/crl\"]");
            format!(
                "{text}[fhir]\nenabled = false\n[api]\nlisten = [\"127.0.0.1:0\"]\nbase-url = \"https://127.0.0.1:8443\"\n\
                 max-connections = 4096\nconnections-per-address = 4096\n\
                 communities = [{{ name = \"bench\", anchors = {roots:?} }}]\n"
            )
        });
        for number in 0..DEVICES {
            site.device(&device(number), KeyType::Ecc);
        }
        let platform = Platform::start(&site);
        for number in 0..DEVICES {
            platform.command(&site, &["device", "add", &device(number)]);
        }
        platform.command(&site, &["organisation", "add", "Bench", "--oid", "1.2.3.4"]);
        let chain = own.chain.display().to_string();
        platform.command(
            &site,
            &["reader", "add", "bench", "--organisation", "1.2.3.4", "--certificate", &chain],
        );
        let reader =
            site::client_config(&site.path().join("pki"), &Credential { chain: own.chain, key: own.key });
        Self { site, platform, reader: Arc::new(reader) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.platform.api.expect("a listener for hospital systems")
    }

    /// Begins or stops to index.
    pub(crate) fn index(&self, enabled: bool) {
        self.site.change(|text| {
            text.replace("[fhir]\nenabled = false", "[fhir]\nenabled = true")
                .replace("[fhir]\nenabled = true", &format!("[fhir]\nenabled = {enabled}"))
        });
        self.platform.reload();
        if !enabled {
            // What is under way ends.
            std::thread::sleep(Duration::from_millis(1500));
        }
    }

    fn store(&self) -> Connection {
        let file: PathBuf = self.site.path().join("platform.db");
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store")
    }

    pub(crate) fn watch(&self) -> Behind {
        Behind(self.store())
    }

    /// Waits until everything is indexed.
    pub(crate) fn wait_until_indexed(&self) {
        let mut watch = self.watch();
        while watch.look().0 > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The bytes of the tables and indexes of the index, and those of the whole store.
    pub(crate) fn sizes(&self) -> (i64, i64) {
        let store = self.store();
        let sum = |which: &str| {
            let sql = format!("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE {which}");
            store.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a size")
        };
        (sum("name LIKE 'fhir%' OR name LIKE 'sqlite_autoindex_fhir%'"), sum("1"))
    }
}

/// Looks how far the index is behind the trail.
pub(crate) struct Behind(Connection);

impl Behind {
    /// Rows that are not indexed, and for how many seconds the oldest of them waits.
    pub(crate) fn look(&mut self) -> (i64, f64) {
        let sql = "SELECT e.number - coalesce(p.number, 0), \
                   coalesce((SELECT a.at FROM audit a WHERE a.node = e.node AND a.number > coalesce(p.number, 0) \
                   ORDER BY a.number LIMIT 1), 0) \
                   FROM (SELECT node, max(number) AS number FROM audit GROUP BY node) e \
                   LEFT JOIN fhir_position p ON p.node = e.node";
        let (rows, at): (i64, i64) =
            self.0.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a position");
        let now = Clock::system().now().as_microsecond();
        (rows, if at == 0 { 0.0 } else { (now - at).max(0) as f64 / 1e6 })
    }
}
