//! The write-ahead log of SQLite as it lies in its file
//! (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): where commits end.

use std::path::Path;

/// What of a write-ahead log counts: the frames since it was last restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wal {
    /// Which run through the file this is: the salts of its header.
    pub run: [u8; 8],
    /// Where each commit ends, in bytes from the beginning of the file.
    pub commits: Vec<u64>,
}

impl Wal {
    /// Reads the log of the store `database`; `None` before its first commit.
    pub fn read(database: &Path) -> Option<Self> {
        let bytes = std::fs::read(database.with_extension("db-wal")).ok()?;
        let header = bytes.get(..32)?;
        let number = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap());
        let (page, run) = (number(&header[8..12]) as usize, header[16..24].try_into().unwrap());
        let mut commits = Vec::new();
        for (index, frame) in bytes[32..].chunks_exact(24 + page).enumerate() {
            if frame[8..16] != run {
                break;
            }
            // The size of the database after this frame; 0 in the middle of a transaction.
            if number(&frame[4..8]) != 0 {
                commits.push((32 + (index + 1) * (24 + page)) as u64);
            }
        }
        Some(Self { run, commits })
    }

    /// Where the last commit ends.
    pub fn end(&self) -> u64 {
        self.commits.last().copied().unwrap_or(0)
    }
}
