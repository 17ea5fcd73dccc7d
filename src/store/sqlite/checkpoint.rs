//! Moves what was committed from the write-ahead log into the file, beside the writer.
//!
//! SQLite would do it inside of a commit, each time the log has grown by a thousand pages: under load every 30 ms, and all
//! senders wait meanwhile. Whether it is done makes no difference to what is kept: a commit is durable in the log.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::model::{Task, fault_point};

/// A thread that waits for commits.
pub(super) struct Checkpointer {
    /// None: it is to end.
    commits: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Cancelled when the thread has ended, for whatever reason.
    ended: CancellationToken,
}

impl Checkpointer {
    /// Starts one with a connection of its own. If the operating system has no thread for it, SQLite does the work.
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

    /// Cancelled when the thread has ended, for whatever reason.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Something was committed.
    pub(super) fn committed(&self) {
        if let Some(commits) = &self.commits {
            // One that is told already looks at everything.
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
        // Until it is to end, if that is sooner.
        thread::park_timeout(CHECKPOINT_INTERVAL);
        if pages_to_move(connection, "NOOP") >= MIN_CHECKPOINT_PAGES {
            // PASSIVE waits for nobody and hinders nobody. What goes wrong here goes wrong for the writer as well, and is
            // told there.
            pages_to_move(connection, "PASSIVE");
        }
    }
}

/// Runs a checkpoint of that kind; how many pages of the log are not in the file then.
/// <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>
fn pages_to_move(connection: &Connection, kind: &str) -> i64 {
    let log = connection
        .query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| Ok((row.get(1)?, row.get(2)?)));
    log.map_or(0, |(pages, moved): (i64, i64)| pages - moved)
}

/// How often it looks, while there are commits.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(50);
/// Fewer are not worth two synchronisations of the disk; what SQLite itself would wait for.
const MIN_CHECKPOINT_PAGES: i64 = 1000;
