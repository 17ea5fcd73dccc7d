//! The memory of response bodies that are being fetched or parsed: bounded for all of them together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget, in units of [`UNIT`] bytes. The first [`SMALL_BODY_BYTES`] of each body count apart: large
/// CRLs must not stop OCSP responses.
#[derive(Debug)]
pub(super) struct ByteBudget {
    small: Pool,
    large: Pool,
}

/// The share of one body. Its part of the budget is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    /// The largest body, in bytes.
    pub(super) limit: usize,
    /// The size that the server has declared.
    pub(super) declared: Option<usize>,
    small: Pool,
    large: Pool,
}

#[derive(Debug)]
struct Pool {
    semaphore: Arc<Semaphore>,
    /// The units of the whole pool.
    size: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// A budget of `bytes` for all bodies together: a quarter for the beginnings of bodies, and the rest for
    /// what is beyond.
    pub(super) fn new(bytes: usize) -> Self {
        let pool = |bytes: usize| Pool {
            // A semaphore has a maximum, far above any memory.
            size: (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS),
            semaphore: Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))),
            permit: None,
        };
        let small = bytes / SMALL_PART;
        Self { small: pool(small), large: pool(bytes - small) }
    }

    /// A share for a body of at most `limit` bytes.
    pub(super) fn share(&self, limit: usize) -> Share {
        let pool =
            |pool: &Pool| Pool { semaphore: Arc::clone(&pool.semaphore), size: pool.size, permit: None };
        Share { limit, declared: None, small: pool(&self.small), large: pool(&self.large) }
    }
}

impl Share {
    /// Waits until the share covers `length` bytes.
    ///
    /// Of the large pool it takes all that the body may need at once: two bodies that grow by turns would
    /// wait for one another.
    pub(super) async fn grow(&mut self, length: usize) {
        self.small.grow(length.min(SMALL_BODY_BYTES)).await;
        if length > SMALL_BODY_BYTES {
            let whole = self.declared.unwrap_or(self.limit).max(length);
            self.large.grow(whole.saturating_sub(SMALL_BODY_BYTES)).await;
        }
    }
}

impl Pool {
    /// A body that needs more than the whole pool, by the operator's `max-crl`, holds the whole pool.
    async fn grow(&mut self, length: usize) {
        let wanted = length.div_ceil(UNIT).min(self.size);
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(wanted.saturating_sub(held)).unwrap_or(u32::MAX);
        if more == 0 {
            return;
        }
        // The semaphores are never closed.
        let Ok(more) = Arc::clone(&self.semaphore).acquire_many_owned(more).await else { return };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
    }
}

const UNIT: usize = 4 << 10;
/// Of each body: more than an OCSP response has.
const SMALL_BODY_BYTES: usize = 64 << 10;
/// The small pool is this part of the budget.
const SMALL_PART: usize = 4;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn bodies_in_flight_share_64_mib() {
        let budget = ByteBudget::new(64 << 20);
        let share = |declared: usize| Share { declared: Some(declared), ..budget.share(1 << 30) };
        let mut first = share(40 << 20);
        first.grow(1 << 20).await;
        let mut second = share(20 << 20);
        assert!(second.grow(1 << 20).now_or_never().is_none(), "together more than the budget");
        first.grow(40 << 20).now_or_never().unwrap();
        // Small bodies pass.
        let mut small = budget.share(1 << 20);
        small.grow(SMALL_BODY_BYTES).now_or_never().unwrap();
        drop(first);
        second.grow(20 << 20).now_or_never().unwrap();
        // A body beyond the budget needs it alone, and so does one of unknown size.
        let mut huge = budget.share(1 << 30);
        assert!(huge.grow(1 << 20).now_or_never().is_none());
        drop((second, small));
        huge.grow(1 << 20).now_or_never().unwrap();
        huge.grow(300 << 20).now_or_never().unwrap();
    }
}
