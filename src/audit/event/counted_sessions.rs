//! Sessions that share a row.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::certificate::CertificateStatus;
use super::reason::SessionEnd;
use crate::model::{DeviceId, Fingerprint};

/// Sessions of one device that ended without having stored a message, and have no rows of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedSessions {
    /// How many.
    pub count: u64,
    /// When the first of them was opened.
    pub first: Timestamp,
    /// When the last of them was opened.
    pub last: Timestamp,
    /// How many with each certificate.
    pub certificates: BTreeMap<Fingerprint, u64>,
    /// How many from each address.
    pub addresses: BTreeMap<IpAddr, u64>,
    /// How many for each reason of their end, by its code.
    pub ends: BTreeMap<&'static str, u64>,
    /// Bytes outside frames in all of them.
    pub stray_bytes: u64,
    /// The revocation status of the chain in the last of them.
    pub revocation: Vec<CertificateStatus>,
}

impl CountedSessions {
    /// One session.
    #[must_use]
    pub fn one(opened: Timestamp, certificate: Fingerprint, address: IpAddr, end: SessionEnd) -> Self {
        Self {
            count: 1,
            first: opened,
            last: opened,
            certificates: [(certificate, 1)].into(),
            addresses: [(address, 1)].into(),
            ends: [(end.code(), 1)].into(),
            stray_bytes: 0,
            revocation: Vec::new(),
        }
    }

    /// Both together. Beyond `MAX_LISTED` certificates or addresses, the count alone grows.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        if other.last >= self.last {
            self.last = other.last;
            self.revocation = other.revocation;
        }
        add(&mut self.certificates, other.certificates);
        add(&mut self.addresses, other.addresses);
        add(&mut self.ends, other.ends);
        self.stray_bytes = self.stray_bytes.saturating_add(other.stray_bytes);
        self
    }

    pub(super) fn fields(&self, device: &DeviceId) -> Value {
        fn counts<K: ToString>(counts: &BTreeMap<K, u64>) -> Value {
            counts.iter().map(|(key, count)| (key.to_string(), (*count).into())).collect::<Map<_, _>>().into()
        }
        let mut fields = Map::new();
        fields.insert("device".to_owned(), device.as_str().into());
        fields.insert("count".to_owned(), self.count.into());
        fields.insert("first".to_owned(), self.first.to_string().into());
        fields.insert("last".to_owned(), self.last.to_string().into());
        fields.insert("certificates".to_owned(), counts(&self.certificates));
        fields.insert("addresses".to_owned(), counts(&self.addresses));
        fields.insert("ends".to_owned(), counts(&self.ends));
        if self.stray_bytes > 0 {
            fields.insert("bytes-between-frames".to_owned(), self.stray_bytes.into());
        }
        let statuses: Vec<Value> = self.revocation.iter().map(CertificateStatus::fields).collect();
        fields.insert("revocation".to_owned(), statuses.into());
        fields.into()
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    for (key, number) in others {
        if let Some(count) = counts.get_mut(&key) {
            *count = count.saturating_add(number);
        } else if counts.len() < MAX_LISTED {
            counts.insert(key, number);
        }
    }
}

/// Certificates and addresses of one row: a device chooses its address within its network.
const MAX_LISTED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Refusal;

    fn one(second: i64, address: &str, end: SessionEnd) -> CountedSessions {
        let at = Timestamp::from_second(second).unwrap();
        CountedSessions::one(at, Fingerprint::sha256(b"own"), address.parse().unwrap(), end)
    }

    #[test]
    fn sessions_add_up_and_their_row_stays_short() {
        let ended = SessionEnd::Withdrawn(Refusal::TooManySessions);
        let mut all = one(7, "10.0.0.1", SessionEnd::PeerClosed).plus(one(5, "10.0.0.1", ended));
        all.stray_bytes = 3;
        assert_eq!((all.count, all.first.as_second(), all.last.as_second()), (2, 5, 7));
        let fingerprint = Fingerprint::sha256(b"own");
        assert_eq!(
            all.fields(&"PUMP-1".parse().unwrap()).to_string(),
            format!(
                r#"{{"addresses":{{"10.0.0.1":2}},"bytes-between-frames":3,"certificates":{{"{fingerprint}":2}},"count":2,"device":"PUMP-1","ends":{{"peer-closed":1,"too-many-sessions":1}},"first":"1970-01-01T00:00:05Z","last":"1970-01-01T00:00:07Z","revocation":[]}}"#
            )
        );
        for host in 0..1000 {
            all = all.plus(one(9, &format!("2001:db8::{host:x}"), SessionEnd::PeerClosed));
        }
        assert_eq!((all.count, all.addresses.len()), (1002, MAX_LISTED));
        assert!(all.fields(&"PUMP-1".parse().unwrap()).to_string().len() < 4096);
    }
}
