//! Answers that clients have not taken yet: a client that does not read must not fill the memory.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::Semaphore;

/// The memory of all answers that are being sent. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct AnswerMemory {
    /// A permit is a KiB.
    free: Arc<Semaphore>,
    all: u32,
}

impl AnswerMemory {
    pub(super) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(bytes >> 10)), all }
    }

    /// The body of an answer, which has its memory until it is sent; `None` when there is none left. An
    /// answer that is larger than all of it has all of it.
    pub(super) fn body(&self, bytes: Bytes) -> Option<Body> {
        if bytes.len() <= CHUNK {
            return Some(Body::from(bytes));
        }
        let size = u32::try_from(bytes.len() >> 10).unwrap_or(u32::MAX).min(self.all);
        let memory = Arc::clone(&self.free).try_acquire_many_owned(size).ok()?;
        // The connection takes a part when it has sent the one before.
        let parts = stream::unfold((bytes, memory), |(mut rest, memory)| async move {
            let part = rest.split_to(rest.len().min(CHUNK));
            (!part.is_empty()).then(|| (Ok::<_, Infallible>(part), (rest, memory)))
        });
        Some(Body::from_stream(parts))
    }
}

/// Bytes that a connection takes at once. Smaller answers are not counted: connections are.
const CHUNK: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn answers_that_are_not_taken_have_a_limit() {
        let memory = AnswerMemory::new(256 << 10);
        let bytes = |size: usize| Bytes::from(vec![b'x'; size]);
        let held = memory.body(bytes(200 << 10)).expect("there is room");
        assert!(memory.body(bytes(100 << 10)).is_none());
        assert!(memory.body(bytes(1 << 10)).is_some(), "small ones are not counted");
        assert_eq!(to_bytes(held, usize::MAX).await.unwrap(), bytes(200 << 10));
        let larger = memory.body(bytes(1 << 20)).expect("one that is larger than all");
        assert!(memory.body(bytes(100 << 10)).is_none());
        drop(larger);
        assert!(memory.body(bytes(100 << 10)).is_some());
    }
}
