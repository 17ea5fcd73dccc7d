//! In a gateway: the messages of a connection whose devices wait for the platform's application
//! acknowledgement.
//!
//! Such a message is durable, so it takes no place of those that bound reading (`interface-a.in-flight`), and
//! no accept acknowledgement waits behind it. Among themselves application acknowledgements leave in the
//! order in which their messages came. A repetition takes the place of its first copy.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;

use super::effect::Ticket;
use crate::interface_a::inbound::{Label, Room, StoreFailure};
use crate::mllp::CR;
use crate::model::MessageId;

/// The messages of a connection that wait for the platform.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// Those that get nothing else, in the order of arrival.
    places: VecDeque<Place>,
    /// Those that have their accept acknowledgement: their answers leave when they come.
    following: VecDeque<Place>,
    /// Bytes of all headers.
    bytes: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Place {
    ticket: Ticket,
    /// Of the bytes of the message.
    digest: u64,
    /// What counts of the message: its header.
    bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Storing,
    /// It is durable.
    Waiting {
        message: MessageId,
        late: Option<(StoreFailure, Label)>,
    },
    Answered(Bytes),
}

/// What became of a place when the platform was late, or has answered.
#[derive(Debug)]
pub(super) enum Released {
    /// The answer leaves in its turn.
    InTurn(Option<(StoreFailure, Label)>),
    /// The answer leaves at once.
    AtOnce(Option<(StoreFailure, Label)>),
}

impl Awaited {
    /// Whether a message may wait that is not stored yet. `most` messages of a connection may.
    pub(super) fn room(&self, raw: &[u8], most: usize) -> Room {
        let is_full = self.len() >= most || self.bytes + header_bytes(raw) > most * HEADER_BYTES;
        // One message may always wait, whatever its size.
        if !is_full || self.len() == 0 {
            return Room::Free;
        }
        let digest = self.hasher.hash_one(raw);
        // One that is answered keeps its place until its turn: a copy of it would take another.
        let is_repeated =
            self.all().any(|place| place.digest == digest && !matches!(place.state, State::Answered(_)));
        if is_repeated { Room::Repetition } else { Room::Full }
    }

    /// Keeps the place of a message that is being stored. `holds_place`: its device gets nothing else.
    pub(super) fn reserve(&mut self, ticket: Ticket, raw: &[u8], holds_place: bool) {
        let (digest, bytes) = (self.hasher.hash_one(raw), header_bytes(raw));
        self.bytes += bytes;
        let place = Place { ticket, digest, bytes, state: State::Storing };
        if holds_place { self.places.push_back(place) } else { self.following.push_back(place) }
    }

    /// The message is durable. If an earlier copy of it waits, it takes the place of that copy.
    pub(super) fn stored(&mut self, ticket: Ticket, id: MessageId, late: Option<(StoreFailure, Label)>) {
        let is_waiting =
            |place: &Place| matches!(&place.state, State::Waiting { message, .. } if *message == id);
        if self.all().any(is_waiting) {
            return self.remove(ticket);
        }
        if let Some(place) = self.place(ticket) {
            place.state = State::Waiting { message: id, late };
        }
    }

    /// Whether the message waits for the platform.
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        let is_waiting = |places: &VecDeque<Place>| {
            let place = find(places, ticket).ok().and_then(|at| places.get(at));
            place.is_some_and(|place| matches!(place.state, State::Waiting { .. }))
        };
        is_waiting(&self.places) || is_waiting(&self.following)
    }

    /// Takes the message out of those that wait. `None`: it does not wait.
    pub(super) fn release(&mut self, ticket: Ticket) -> Option<Released> {
        if let Ok(at) = find(&self.following, ticket) {
            let place = self.following.remove(at)?;
            self.bytes -= place.bytes;
            let State::Waiting { late, .. } = place.state else { return Some(Released::AtOnce(None)) };
            return Some(Released::AtOnce(late));
        }
        let place = self.place(ticket)?;
        match std::mem::replace(&mut place.state, State::Answered(Bytes::new())) {
            State::Waiting { late, .. } => Some(Released::InTurn(late)),
            other => {
                place.state = other;
                None
            }
        }
    }

    /// What is sent for a message in its turn. Gives the frames back if it has no place.
    pub(super) fn answer(&mut self, ticket: Ticket, frames: Bytes) -> Bytes {
        match find(&self.places, ticket).ok().and_then(|at| self.places.get_mut(at)) {
            Some(place) => {
                place.state = State::Answered(frames);
                Bytes::new()
            }
            None => frames,
        }
    }

    /// The next answer that may leave.
    pub(super) fn next_answer(&mut self) -> Option<Bytes> {
        let is_answered = |place: &mut Place| matches!(place.state, State::Answered(_));
        let place = self.places.pop_front_if(is_answered)?;
        self.bytes -= place.bytes;
        match place.state {
            State::Answered(frames) => Some(frames),
            State::Storing | State::Waiting { .. } => None,
        }
    }

    /// The devices wait no longer. What is being stored has its answer from the store.
    pub(super) fn abandon(&mut self) {
        let is_waiting = |place: &Place| matches!(place.state, State::Waiting { .. });
        self.places.retain(|place| !is_waiting(place));
        self.following.retain(|place| !is_waiting(place));
        self.bytes = self.all().map(|place| place.bytes).sum();
    }

    /// No answer follows the one that the device has: the message was not stored.
    pub(super) fn forget_following(&mut self, ticket: Ticket) {
        if find(&self.following, ticket).is_ok() {
            self.remove(ticket);
        }
    }

    /// The message waits for nothing.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        for places in [&mut self.places, &mut self.following] {
            if let Ok(at) = find(places, ticket) {
                places.remove(at).into_iter().for_each(|place| self.bytes -= place.bytes);
            }
        }
    }

    /// Whether a device waits that gets nothing else.
    pub(super) fn holds_places(&self) -> bool {
        !self.places.is_empty()
    }

    /// Frees memory, if nothing waits.
    pub(super) fn release_memory(&mut self) {
        if self.len() == 0 {
            (self.places, self.following) = Default::default();
        }
    }

    fn len(&self) -> usize {
        self.places.len() + self.following.len()
    }

    fn all(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().chain(&self.following)
    }

    fn place(&mut self, ticket: Ticket) -> Option<&mut Place> {
        for places in [&mut self.places, &mut self.following] {
            if let Ok(at) = find(places, ticket) {
                return places.get_mut(at);
            }
        }
        None
    }
}

/// Places are in the order of their tickets.
fn find(places: &VecDeque<Place>, ticket: Ticket) -> Result<usize, usize> {
    places.binary_search_by_key(&ticket, |place| place.ticket)
}

/// The bytes of MSH, which are kept to write an answer.
fn header_bytes(raw: &[u8]) -> usize {
    raw.iter().position(|byte| *byte == CR).unwrap_or(raw.len())
}

/// Bytes of MSH that each message may have on average.
const HEADER_BYTES: usize = 1024;
