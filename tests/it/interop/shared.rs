//! One platform for all tests that only want to talk to one: it runs while any of them does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use crate::harness::{Credential, Platform, Site};

/// A site with its running platform.
#[derive(Debug)]
pub struct Shared {
    pub platform: Platform,
    pub site: Site,
    /// Both roots, PEM.
    pub roots: PathBuf,
    admission: Mutex<()>,
}

/// A device that may connect.
#[derive(Debug, Clone)]
pub struct Device {
    pub name: String,
    pub own: Credential,
}

impl Shared {
    pub fn platform() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let site = Site::new().with("log", "level = \"info\"");
            let shared = Arc::new(Self {
                platform: site.start(),
                roots: site.trust_bundle(),
                site,
                admission: Mutex::new(()),
            });
            *running = Arc::downgrade(&shared);
            shared
        })
    }

    /// A certificate with its entry in the directory.
    pub fn device(&self, name: &str, key: KeyType) -> Device {
        let own = self.site.issue(&CertificateOrder::new(name, Role::Device, key));
        self.admit(name);
        Device { name: name.to_owned(), own }
    }

    /// An entry in the directory.
    pub fn admit(&self, name: &str) {
        // Whether the platform has taken notice is seen by counting: one at a time.
        let _turn = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        self.platform.admit(name, &[]);
    }
}

impl Device {
    /// Key and chain in one file.
    pub fn pkcs12(&self) -> PathBuf {
        self.own.pkcs12(&self.name)
    }
}
