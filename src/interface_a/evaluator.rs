//! What would become of bytes if a device sent them, by the same functions as in a session. Stores and sends
//! nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;
use tokio_util::codec::Decoder as _;

use super::inbound::{Decision, Inbound, Origin, Outcome, Part, Room};
use super::settings::Settings;
use crate::authz::{Device, Directory, DirectoryHandle};
use crate::config::Config;
use crate::mllp::{CR, Codec, FS, Frame, Received, VT};
use crate::model::{Fingerprint, PatientKey, SessionId};
use crate::store::MessageRecord;

/// Evaluates messages by a configuration and a directory.
#[derive(Debug)]
pub struct Evaluator {
    settings: Settings,
    directory: DirectoryHandle,
    patient_key: PatientKey,
}

/// Of whom a message is taken to be.
#[derive(Debug, Clone)]
pub struct AssumedSender {
    /// The device. Where the directory has it, that entry counts.
    pub device: Arc<Device>,
    /// The session.
    pub session: SessionId,
    /// The certificate.
    pub fingerprint: Fingerprint,
    /// The address.
    pub address: SocketAddr,
}

/// What would become of a message.
#[derive(Debug)]
pub struct Judgement {
    /// What would be stored, with the verdict, the warnings and the frames of the answer.
    pub record: MessageRecord,
    /// The acknowledgements that would be sent, in order, without their frames.
    pub answers: Vec<Bytes>,
    /// Whether it is an acknowledgement, which is matched with what waits for it.
    pub is_acknowledgement: bool,
}

impl Evaluator {
    /// An evaluator by this configuration, for devices of this directory. `patient_key` is that of the store.
    #[must_use]
    pub fn new(config: Config, directory: Directory, patient_key: PatientKey) -> Self {
        let settings = Settings::new(Arc::new(ArcSwap::from_pointee(config)));
        Self { settings, directory: Arc::new(ArcSwap::from_pointee(directory)), patient_key }
    }

    /// Evaluates what a connection carries: frames, or the bytes of one message. Each message of a batch is
    /// evaluated on its own.
    #[must_use]
    pub fn bytes(&self, sender: &AssumedSender, bytes: &[u8], now: Timestamp) -> Vec<Judgement> {
        let mut codec = Codec::new(self.settings.config().interface_a.max_frame);
        let mut buffer = BytesMut::with_capacity(bytes.len() + 3);
        let is_framed = bytes.first() == Some(&VT);
        if !is_framed {
            buffer.put_u8(VT);
        }
        buffer.extend_from_slice(bytes);
        if !is_framed {
            buffer.extend_from_slice(&[FS, CR]);
        }
        let inbound = self.inbound(sender);
        let mut judgements = Vec::new();
        loop {
            let received = match codec.decode(&mut buffer) {
                Ok(None) => codec.decode_eof(&mut buffer),
                received => received,
            };
            match received {
                Ok(Some(Received::Frame(frame))) => {
                    judgements.extend(Part::split(frame).iter().map(|part| self.decided(&inbound, part, now)))
                }
                Ok(Some(Received::Broken(broken))) => {
                    let decision = inbound.evaluate_broken(&broken, &self.settings, now);
                    judgements.push(Judgement::of(decision));
                }
                Ok(None) | Err(_) => return judgements,
            }
        }
    }

    /// Evaluates one message as it was kept: it is not taken apart again.
    #[must_use]
    pub fn message(&self, sender: &AssumedSender, payload: Bytes, now: Timestamp) -> Judgement {
        let frame = Frame { payload, deviations: std::iter::empty().collect() };
        self.decided(&self.inbound(sender), &Part::whole(frame), now)
    }

    fn decided(&self, inbound: &Inbound, part: &Part, now: Timestamp) -> Judgement {
        Judgement::of(inbound.read(part, &self.settings, now).decide(|_| None, |_, _| Room::Free))
    }

    fn inbound(&self, sender: &AssumedSender) -> Inbound {
        let AssumedSender { device, session, fingerprint, address } = sender;
        let origin = Origin {
            session: *session,
            device: Arc::clone(device),
            fingerprint: *fingerprint,
            address: *address,
        };
        Inbound::with_origin(origin, Arc::clone(&self.directory), self.patient_key.clone(), Arc::default())
    }
}

impl Judgement {
    fn of(Decision { record, outcome, .. }: Decision) -> Self {
        Self {
            answers: payloads(&record.acknowledgement),
            is_acknowledgement: matches!(outcome, Outcome::Reply(_)),
            record,
        }
    }
}

/// The messages in these frames, which are the platform's own.
fn payloads(frames: &[u8]) -> Vec<Bytes> {
    let (mut codec, mut buffer) = (Codec::new(frames.len()), BytesMut::from(frames));
    let next = || match codec.decode(&mut buffer) {
        Ok(Some(Received::Frame(frame))) => Some(frame.payload),
        _ => None,
    };
    std::iter::from_fn(next).collect()
}
