//! One PostgreSQL server: its processors, and the log that all commits share.

use super::options::Options;
use super::queue::Cores;

pub(crate) struct Database {
    cores: Cores,
    synchronise: u64,
    batch: u64,
    message: u64,
    session: u64,
    /// The running synchronisation ends then; a commit that comes meanwhile is in the next.
    synchronised: u64,
    /// Away until then.
    away: u64,
    pub(crate) batches: u64,
}

impl Database {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            cores: Cores::new(options.database_cores),
            synchronise: options.synchronise,
            batch: options.database_batch,
            message: options.database_message,
            session: options.database_session,
            synchronised: 0,
            away: 0,
            batches: 0,
        }
    }

    pub(crate) fn fail(&mut self, until: u64) {
        self.away = until;
        self.synchronised = until;
    }

    pub(crate) fn is_away(&self, now: u64) -> bool {
        now < self.away
    }

    /// When a batch that arrives `now` is durable.
    pub(crate) fn commit(&mut self, now: u64, messages: u64) -> u64 {
        self.batches += 1;
        let done = self.cores.work(now, self.batch + self.message * messages);
        if done > self.synchronised {
            self.synchronised = done + self.synchronise;
            return self.synchronised;
        }
        // The next one begins when the running one ends. Who comes before that is in it.
        if self.synchronised - done >= self.synchronise {
            return self.synchronised;
        }
        self.synchronised += self.synchronise;
        self.synchronised
    }

    /// A new session: its rows go with a batch, but they cost their time.
    pub(crate) fn register(&mut self, now: u64) {
        self.cores.work(now, self.session);
    }

    /// The part of its processor time that was used.
    pub(crate) fn load(&self, cores: u64, length: u64) -> f64 {
        ratio(self.cores.used, cores * length)
    }
}

pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    let (part, whole) = (part as f64, whole.max(1) as f64);
    part / whole
}
