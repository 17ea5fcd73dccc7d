//! The suites of the specification (6.1, item 3), and how long their records are.

/// A cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// IANA's number.
    pub number: u16,
    /// IANA's name, without `TLS_`.
    pub name: &'static str,
    protection: Protection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// AES-GCM in TLS 1.2 (RFC 5288): explicit nonce and tag.
    Gcm,
    /// AES-CBC in TLS 1.2 (RFC 5246 6.2.3.2) with a MAC of so many bytes.
    Cbc { mac: usize },
    /// TLS 1.3 (RFC 8446 5.2): content type and tag.
    Tls13,
}

/// The seven of TLS 1.2, in the order of the specification, and TLS 1.3.
pub const SUITES: [Suite; 8] = [
    suite(0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Protection::Gcm),
    suite(0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384", Protection::Gcm),
    suite(0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384", Protection::Gcm),
    suite(0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", Protection::Cbc { mac: 32 }),
    suite(0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256", Protection::Cbc { mac: 32 }),
    suite(0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA", Protection::Cbc { mac: 20 }),
    suite(0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256", Protection::Cbc { mac: 32 }),
    suite(0x1302, "AES_256_GCM_SHA384", Protection::Tls13),
];

const fn suite(number: u16, name: &'static str, protection: Protection) -> Suite {
    Suite { number, name, protection }
}

/// The most plaintext of a record (RFC 5246 6.2.1).
pub const RECORD: usize = 1 << 14;

impl Suite {
    pub fn is_tls13(self) -> bool {
        self.protection == Protection::Tls13
    }

    /// The length of a record's body that protects so many bytes, with no more padding than it needs.
    pub fn sealed(self, plaintext: usize) -> usize {
        match self.protection {
            Protection::Gcm => 8 + plaintext + 16,
            Protection::Cbc { mac } => 16 + (plaintext + mac + 1).next_multiple_of(16),
            Protection::Tls13 => plaintext + 1 + 16,
        }
    }

    /// The bodies of the records that carry so many bytes.
    pub fn records(self, bytes: usize) -> Vec<usize> {
        let mut records = vec![self.sealed(RECORD); bytes / RECORD];
        if !bytes.is_multiple_of(RECORD) {
            records.push(self.sealed(bytes % RECORD));
        }
        records
    }
}
