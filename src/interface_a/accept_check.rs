//! Whether connections are accepted: each accept loop is asked, and answers between two connections.

use tokio::sync::{mpsc, oneshot};

/// Asks the accept loops of all listeners whether they run.
#[derive(Debug, Clone, Default)]
pub struct AcceptCheck(Vec<mpsc::Sender<Query>>);

/// The queries to one accept loop.
#[derive(Debug)]
pub(super) struct AcceptQueries(mpsc::Receiver<Query>);

#[derive(Debug)]
struct Query(oneshot::Sender<()>);

impl AcceptCheck {
    /// Adds an accept loop.
    pub(super) fn add(&mut self) -> AcceptQueries {
        let (sender, receiver) = mpsc::channel(1);
        self.0.push(sender);
        AcceptQueries(receiver)
    }

    /// Resolves when every accept loop has answered, also one that waits for a permit; never after one has
    /// ended.
    pub async fn answer(&self) {
        for accept_loop in &self.0 {
            let (sender, answer) = oneshot::channel();
            if accept_loop.send(Query(sender)).await.is_err() || answer.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl AcceptQueries {
    /// Answers one query. Never resolves when no query can come any more.
    pub(super) async fn answer_next(&mut self) {
        match self.0.recv().await {
            // The caller may have given up.
            Some(Query(sender)) => drop(sender.send(())),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_loop_has_to_answer() {
        let mut check = AcceptCheck::default();
        let (mut first, mut second) = (check.add(), check.add());
        tokio::join!(check.answer(), first.answer_next(), second.answer_next());
        drop(second);
        let asked = async { tokio::join!(check.answer(), first.answer_next()) };
        assert!(tokio::time::timeout(Duration::from_millis(20), asked).await.is_err());
    }
}
