//! How large a store is, and how much room it has.

/// How large a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Bytes of the files, or of the database on the server.
    pub bytes: u64,
    /// The disk of the files; `None` for a server, which does not say it.
    pub disk: Option<DiskSize>,
    /// Rows of the large tables: an estimate that reads no table.
    pub rows: Vec<(&'static str, u64)>,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSize {
    /// Bytes that this process may still take.
    pub free: u64,
    /// All bytes.
    pub bytes: u64,
}
