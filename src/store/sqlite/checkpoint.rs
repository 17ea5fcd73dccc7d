//! Checkpoints: copies committed pages from the write-ahead log into the file, on a thread besides the
//! writer.
//!
//! SQLite would checkpoint inside a commit, each time the log has grown by a thousand pages: under load every
//! 30 ms, while all senders wait. Checkpoints do not affect durability: a commit is durable in the log.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::model::{Task, fault_point};

/// The checkpoint thread, which waits for commits.
pub(super) struct Checkpointer {
    /// `None` asks the thread to end.
    commits: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Cancelled when the thread has ended, for any reason.
    ended: CancellationToken,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own. If the operating system refuses to start a thread,
    /// SQLite checkpoints inside commits.
    pub(super) fn start(connection: Connection) -> Self {
        let (commits, committed) = sync_channel(1);
        let thread = thread::Builder::new().name("store-checkpoint".to_owned());
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let thread = thread.spawn(move || {
            let _guard = guard;
            let _span = Task::StoreCheckpoint.span().entered();
            run(&connection, &committed);
        });
        Self { commits: Some(commits), thread: thread.ok(), ended }
    }

    /// Cancelled when the thread has ended, for any reason.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Notifies the thread of a commit.
    pub(super) fn committed(&self) {
        if let Some(commits) = &self.commits {
            // If a notification is already pending, the thread will see this commit as well.
            let _ = commits.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, committed: &Receiver<()>) {
    while committed.recv().is_ok() {
        fault_point(Task::StoreCheckpoint);
        // Returns earlier when the thread is asked to end.
        thread::park_timeout(CHECKPOINT_INTERVAL);
        if pages_to_move(connection, "NOOP") >= MIN_CHECKPOINT_PAGES {
            // PASSIVE blocks neither writers nor readers. An error here occurs in the writer as well, which
            // reports it.
            pages_to_move(connection, "PASSIVE");
        }
    }
}

/// Runs a checkpoint of this kind. Returns the number of pages of the log that are not yet in the file.
/// <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>
fn pages_to_move(connection: &Connection, kind: &str) -> i64 {
    let log = connection
        .query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| Ok((row.get(1)?, row.get(2)?)));
    log.map_or(0, |(pages, moved): (i64, i64)| pages - moved)
}

/// How often the thread checks the log, while there are commits.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(50);
/// Fewer pages are not worth two synchronisations of the disk. SQLite's own default.
const MIN_CHECKPOINT_PAGES: i64 = 1000;
