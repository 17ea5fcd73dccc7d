//! `store hand-over`: what waits on a node that is gone waits on another one.

use anyhow::anyhow;
use serde::Serialize;

use crate::cli::context::failed;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::NodeName;
use crate::store::{Store, StrandedForwards};

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct HandedOver {
    from: String,
    to: String,
    /// Messages that wait for the platform, and orders of the platform.
    moved: u64,
}

pub(super) async fn run(from: &NodeName, to: &NodeName, store: &Store, output: Output) -> Outcome {
    let refuse = |why: String| Err(Failure::new(Exit::Failed, anyhow!(why)));
    if !store.is_on_server() {
        return refuse(
            "this store is a file: its gateway takes over by itself, when it starts, what waits".to_owned(),
        );
    }
    if from == to {
        return refuse(format!("{from} is the node that is gone: name another one that runs"));
    }
    // In portions: messages of devices are stored in between.
    let mut moved = 0;
    loop {
        match store.hand_over_forwards(from, to).await.map_err(failed)? {
            0 => break,
            some => moved += some,
        }
    }
    let stranded = store.stranded_forwards().await.map_err(failed)?;
    let handed_over = HandedOver { from: from.to_string(), to: to.to_string(), moved };
    output.print(&handed_over, |handed_over| {
        let HandedOver { from, to, moved } = handed_over;
        format!("{moved} messages and orders of {from} are handed over to {to}")
    })?;
    let is_left = |one: &StrandedForwards| one.node == *from;
    if stranded.iter().any(is_left) {
        return refuse(format!("no process of {to} runs: name a node that does"));
    }
    if moved == 0 {
        output.warn(&format!("nothing waits on {from}, or a process of it runs and forwards it"))?;
    }
    Ok(Exit::Done)
}
