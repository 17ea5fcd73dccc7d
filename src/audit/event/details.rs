//! The details of each event as JSON.

use serde_json::{Map, Value, json};

use super::{CertificateStatus, ChainVerdict, Event, Installed, SettledBy, refused_peers};
use crate::audit::chain::{ChainHead, Signature};
use crate::model::{DeviceId, NodeName, hexadecimal};

impl Event {
    /// The device of a session that the event is about; `None` for other events.
    pub(crate) const fn device_of_session(&self) -> Option<&DeviceId> {
        match self {
            Self::ConnectionAccepted { device, .. }
            | Self::SessionsCounted { device, .. }
            | Self::SessionEnded { device, .. }
            | Self::IdentityViolation { device, .. }
            | Self::RejectionsNotStored { device, .. }
            | Self::BytesBetweenFrames { device, .. } => Some(device),
            _ => None,
        }
    }

    /// The details in canonical JSON: one object, keys in the order of their bytes, no white space.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            // One with each message, which needs no tree.
            Self::MessageAccepted { message, session, device } => {
                let device = Value::from(device.as_str());
                format!(r#"{{"device":{device},"message":"{message}","session":"{session}"}}"#)
            }
            _ => self.fields().to_string(),
        }
    }

    fn fields(&self) -> Value {
        match self {
            Self::PlatformStarted { .. }
            | Self::PlatformStopped { .. }
            | Self::ConfigurationChanged { .. }
            | Self::ConfigurationRefused { .. }
            | Self::CertificatesChanged { .. }
            | Self::ClockUnconfirmed { .. }
            | Self::ClockConfirmed { .. } => self.platform_fields(),
            Self::ConnectionAccepted { .. }
            | Self::ConnectionRefused { .. }
            | Self::RefusalsCounted { .. }
            | Self::SessionsCounted { .. }
            | Self::SessionEnded { .. }
            | Self::BytesBetweenFrames { .. }
            | Self::FeedSilent { .. }
            | Self::FeedResumed { .. }
            | Self::FeedsBehindSilent(_)
            | Self::FeedsBehindResumed(_) => self.connection_fields(),
            Self::MessageAccepted { .. }
            | Self::MessageRejected { .. }
            | Self::IdentityViolation { .. }
            | Self::RejectionsNotStored { .. }
            | Self::MessageReconsidered { .. }
            | Self::MessageViewed { .. }
            | Self::MessagesExported { .. }
            | Self::MessagesPruned { .. }
            | Self::StoreCopied { .. } => self.message_fields(),
            Self::DeviceAdded { .. }
            | Self::DeviceChanged { .. }
            | Self::DeviceSuspended { .. }
            | Self::DeviceResumed { .. }
            | Self::DeviceRemoved { .. }
            | Self::DeviceMerged { .. }
            | Self::DeviceLearningStarted { .. }
            | Self::DeviceLearningEnded { .. } => self.directory_fields(),
            Self::SouthboundQueued { .. } | Self::SouthboundSent { .. } | Self::SouthboundSettled { .. } => {
                self.order_fields()
            }
            Self::AuditExported { .. }
            | Self::AuditVerified { .. }
            | Self::AuditPruned { .. }
            | Self::AuditRowsLost { .. }
            | Self::AuditDiverged { .. }
            | Self::AuditEndAccepted { .. }
            | Self::AuditSigned { .. } => self.trail_fields(),
        }
    }

    /// The platform, its configuration and its certificates.
    fn platform_fields(&self) -> Value {
        match self {
            Self::PlatformStarted { version, listen } => {
                let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
                json!({ "version": version, "listen": listen })
            }
            Self::PlatformStopped { reason } => json!({ "reason": reason.code() }),
            Self::ConfigurationChanged { keys, new_sessions, restart, by } => json!({
                "keys": keys,
                "new-sessions": new_sessions,
                "restart": restart,
                "by": by.code(),
            }),
            Self::ConfigurationRefused { fault, keys, by } => {
                json!({ "fault": fault.code(), "keys": keys, "by": by.code() })
            }
            Self::CertificatesChanged { old, new } => {
                let fields = |all: &[Installed]| all.iter().map(Installed::fields).collect::<Vec<_>>();
                json!({ "old": fields(old), "new": fields(new) })
            }
            Self::ClockUnconfirmed { clock, expected } => {
                json!({ "clock": clock.to_string(), "expected": expected.to_string() })
            }
            Self::ClockConfirmed { clock, release_before, actor } => json!({
                "clock": clock.to_string(),
                "release-before": release_before.to_string(),
                "actor": actor,
            }),
            _ => Value::Null,
        }
    }

    /// Connections, sessions and the liveness of devices.
    fn connection_fields(&self) -> Value {
        match self {
            Self::ConnectionAccepted { session, peer, device, certificate, revocation } => json!({
                "session": session.to_string(),
                "peer": peer.to_string(),
                "device": device.as_str(),
                "certificate": certificate.fields(),
                "revocation": revocation.iter().map(CertificateStatus::fields).collect::<Vec<_>>(),
            }),
            Self::ConnectionRefused { peer, refusal, certificate, extension, revocation } => {
                let mut fields = Map::new();
                fields.insert("peer".to_owned(), peer.to_string().into());
                fields.insert("refusal".to_owned(), refusal.code().into());
                if let Some(certificate) = certificate {
                    fields.insert("certificate".to_owned(), certificate.fields());
                }
                if let Some(extension) = extension {
                    fields.insert("extension".to_owned(), extension.as_str().into());
                }
                if !revocation.is_empty() {
                    let statuses: Vec<Value> = revocation.iter().map(CertificateStatus::fields).collect();
                    fields.insert("revocation".to_owned(), statuses.into());
                }
                fields.into()
            }
            Self::RefusalsCounted { peers, count } => refused_peers::fields(peers, count),
            Self::SessionsCounted { device, sessions } => sessions.fields(device),
            Self::SessionEnded { session, device, why } => json!({
                "session": session.to_string(),
                "device": device.as_str(),
                "why": why.code(),
            }),
            Self::BytesBetweenFrames { session, device, count } => json!({
                "session": session.to_string(),
                "device": device.as_str(),
                "count": count,
            }),
            Self::FeedSilent { device, last, threshold } => json!({
                "device": device.as_str(),
                "last": last.to_string(),
                "patience-seconds": threshold,
            }),
            Self::FeedResumed { device, pause } => json!({
                "device": device.as_str(),
                "pause-seconds": pause,
            }),
            Self::FeedsBehindSilent(feeds) | Self::FeedsBehindResumed(feeds) => feeds.fields(),
            _ => Value::Null,
        }
    }

    /// Received messages.
    fn message_fields(&self) -> Value {
        match self {
            Self::MessageAccepted { message, session, device } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
            }),
            Self::MessageRejected { message, session, device, code } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
                "code": code,
            }),
            Self::IdentityViolation { message, session, device, identity } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
                "identity": identity,
            }),
            Self::RejectionsNotStored { device, since, messages, bytes } => json!({
                "device": device.as_str(),
                "since": since.to_string(),
                "messages": messages,
                "bytes": bytes,
            }),
            Self::MessageReconsidered { message, original, device, rejection, actor } => json!({
                "message": message.to_string(),
                "original": original.to_string(),
                "device": device.as_str(),
                "rejection": rejection,
                "actor": actor,
            }),
            Self::MessageViewed { message, device, viewed_as, actor } => json!({
                "message": message.to_string(),
                "device": device.as_str(),
                "as": viewed_as.code(),
                "actor": actor,
            }),
            Self::MessagesExported { selection, actor } => {
                json!({ "selection": selection.fields(), "actor": actor })
            }
            Self::MessagesPruned { removed, orders, permit } => {
                let mut fields = removed.fields();
                fields.insert("orders".to_owned(), (*orders).into());
                fields.insert("before".to_owned(), permit.before.to_string().into());
                fields.extend(signature_fields(&permit.signature));
                fields.into()
            }
            Self::StoreCopied { actor } => json!({ "actor": actor }),
            _ => Value::Null,
        }
    }

    /// An entry of the device directory, as it was added or changed.
    fn entry_fields(&self) -> Value {
        let status = match self {
            Self::DeviceAdded { status, .. } => Some(status.as_str()),
            _ => None,
        };
        let (Self::DeviceAdded {
            device,
            kind,
            speaks_for,
            issuers,
            acknowledge,
            silent_after,
            expected,
            actor,
            ..
        }
        | Self::DeviceChanged {
            device,
            kind,
            speaks_for,
            issuers,
            acknowledge,
            silent_after,
            expected,
            actor,
        }) = self
        else {
            return Value::Null;
        };
        let mut fields = json!({
            "device": device.as_str(),
            "kind": kind.as_str(),
            "status": status,
            "speaks-for": speaks_for,
            "issuers": issuers,
            "acknowledge": acknowledge.as_str(),
            "silent-after": silent_after,
            "expected": expected,
            "actor": actor,
        });
        if let Some(fields) = fields.as_object_mut().filter(|_| status.is_none()) {
            fields.remove("status");
        }
        fields
    }

    /// The device directory.
    fn directory_fields(&self) -> Value {
        match self {
            Self::DeviceAdded { .. } | Self::DeviceChanged { .. } => self.entry_fields(),
            Self::DeviceSuspended { device, actor }
            | Self::DeviceResumed { device, actor }
            | Self::DeviceRemoved { device, actor }
            | Self::DeviceLearningEnded { device, actor } => {
                json!({ "device": device.as_str(), "actor": actor })
            }
            Self::DeviceLearningStarted { device, until, actor } => json!({
                "device": device.as_str(),
                "until": until.to_string(),
                "actor": actor,
            }),
            Self::DeviceMerged { device, removed, actor } => json!({
                "device": device.as_str(),
                "removed": removed.as_str(),
                "actor": actor,
            }),
            _ => Value::Null,
        }
    }

    /// Orders to devices.
    fn order_fields(&self) -> Value {
        match self {
            Self::SouthboundQueued { message, device, expires, actor } => json!({
                "message": message.to_string(),
                "device": device.as_str(),
                "expires": expires.to_string(),
                "actor": actor,
            }),
            Self::SouthboundSent { message, device } => {
                json!({ "message": message.to_string(), "device": device.as_str() })
            }
            Self::SouthboundSettled { message, device, settlement, basis } => {
                let mut fields = Map::new();
                fields.insert("message".to_owned(), message.to_string().into());
                fields.insert("device".to_owned(), device.as_str().into());
                fields.insert("outcome".to_owned(), settlement.code().into());
                let mut add = |key: &str, value: &str| fields.insert(key.to_owned(), value.into());
                match basis {
                    SettledBy::Answer { code } => drop(add("code", code)),
                    SettledBy::LateAnswer { code, replaced } => {
                        add("code", code);
                        add("replaced", replaced.code());
                    }
                    SettledBy::EndOfTime => {}
                    SettledBy::Operator { actor } => drop(add("actor", actor)),
                    SettledBy::Removal { actor } => {
                        add("actor", actor);
                        add("reason", "device-removed");
                    }
                }
                fields.into()
            }
            _ => Value::Null,
        }
    }

    /// The audit trail itself.
    fn trail_fields(&self) -> Value {
        match self {
            Self::AuditExported { format, since, actor } => {
                let mut fields = Map::new();
                fields.insert("format".to_owned(), format.code().into());
                if let Some(since) = since {
                    fields.insert("since".to_owned(), since.to_string().into());
                }
                fields.insert("actor".to_owned(), actor.as_str().into());
                fields.into()
            }
            Self::AuditVerified { chains, missing_heads, actor } => json!({
                "intact": missing_heads.is_empty() && chains.iter().all(|chain| chain.broken_row.is_none()),
                "missing-heads": missing_heads,
                "chains": chains.iter().map(ChainVerdict::fields).collect::<Vec<_>>(),
                "actor": actor,
            }),
            Self::AuditPruned { link, before } => json!({
                "number": link.number,
                "hash": link.hash.to_string(),
                "before": before.to_string(),
            }),
            Self::AuditRowsLost { count, first, last } => json!({
                "count": count,
                "first": first.to_string(),
                "last": last.to_string(),
            }),
            Self::AuditDiverged { finding, remembered, found } => json!({
                "finding": finding.code(),
                "remembered": remembered.map(|head| head.to_string()),
                "found": found.to_string(),
            }),
            Self::AuditEndAccepted { remembered, found, actor } => json!({
                "remembered": remembered.to_string(),
                "found": found.to_string(),
                "actor": actor,
            }),
            Self::AuditSigned { link, signature, chains } => {
                let mut fields = signature_fields(signature);
                fields.insert("number".to_owned(), link.number.into());
                fields.insert("hash".to_owned(), link.hash.to_string().into());
                if !chains.is_empty() {
                    let chain = |(node, end): &(NodeName, ChainHead)| json!({ "node": node.as_str(), "end": end.to_string() });
                    fields.insert("chains".to_owned(), chains.iter().map(chain).collect());
                }
                fields.into()
            }
            _ => Value::Null,
        }
    }
}

/// The keys of a signature in a row.
fn signature_fields(signature: &Signature) -> Map<String, Value> {
    let field = |key: &str, value: String| (key.to_owned(), Value::String(value));
    Map::from_iter([
        field("scheme", signature.scheme.clone()),
        field("certificate", hexadecimal::encode(&signature.certificate)),
        field("signature", hexadecimal::encode(&signature.value)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, MessageId, SessionId};

    #[test]
    fn what_is_written_without_a_tree_is_the_same_text() {
        let now = Clock::system().now();
        let (message, session) = (MessageId::at(now), SessionId::at(now));
        for name in ["PUMP-1", r#"a"b\c"#, "Bett 7 \u{fc}ber", "<&>/"] {
            let device = name.parse().unwrap();
            let event = Event::MessageAccepted { message, session, device };
            assert_eq!(event.details(), event.fields().to_string());
        }
    }
}
