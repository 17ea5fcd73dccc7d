//! Jobs and acknowledgements for tests of the window.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::gateway::window::{Limits, Run, Window};
use crate::hl7::AcknowledgeAs;
use crate::interface_b::Answer;
use crate::model::{Clock, MessageId};
use crate::store::WaitingForward;

/// Messages of a lane. Dropped, it gives the lane back.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) lane: usize,
    pub(super) messages: VecDeque<WaitingForward>,
    pub(super) alone: HashSet<MessageId>,
    pub(super) free: Rc<RefCell<HashSet<usize>>>,
}

impl Run for Job {
    fn head(&self) -> Option<&WaitingForward> {
        self.messages.front()
    }

    fn take_head(&mut self) -> Option<WaitingForward> {
        self.messages.pop_front()
    }

    fn goes_alone(&self) -> bool {
        self.messages.front().is_some_and(|head| self.alone.contains(&head.id))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        assert!(self.free.borrow_mut().insert(self.lane), "a lane is worked on once");
    }
}

pub(super) fn one_job(number: usize, kind: &str, control_id: &str, modes: &str) -> Job {
    let raw =
        format!("MSH|^~\\&|LANE-{number}||||20260101120000+0000||{kind}|{control_id}|P|2.6|||{modes}\r");
    let message = WaitingForward { id: MessageId::at(Clock::system().now()), raw: raw.into() };
    Job { lane: number, messages: [message].into(), alone: HashSet::new(), free: Rc::default() }
}

pub(super) fn answer_to(control_id: &str, code: &str) -> Answer {
    let raw = format!("MSH|^~\\&|B||A||20260101||ACK|1|P|2.6\rMSA|{code}|{control_id}\r");
    Answer::read(raw.into()).unwrap().unwrap()
}

pub(super) fn sent_by(window: &mut Window<Job>, job: Job) -> usize {
    window.send(job, AcknowledgeAs::AsAsked, Clock::system().instant()).map_or(0, |sent| sent.len())
}

pub(super) const LIMIT: Duration = Duration::from_secs(30);
pub(super) const LIMITS: Limits = Limits { answer: LIMIT, result: LIMIT };
