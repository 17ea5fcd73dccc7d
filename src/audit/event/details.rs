//! The details of each event as JSON.

use serde_json::{Map, Value, json};

use super::reason::{Logout, RefusedLook};
use super::removed::{LostRows, SizeLimit};
use super::report::{acceptance_fields, pruned_fields, signature_fields};
use super::{CertificateStatus, ChainVerdict, Event, Installed, ReloadedBy, SettledBy, refused_peers};
use crate::audit::chain::ChainHead;
use crate::model::{DeviceId, NodeName};

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
            Self::MessageAccepted { message, session, device, digest, large } => {
                let device = Value::from(device.as_str());
                let large = if *large { r#""large":true,"# } else { "" };
                format!(
                    r#"{{"device":{device},{large}"message":"{message}","session":"{session}","sha256":"{digest}"}}"#
                )
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
            | Self::ClockConfirmed { .. }
            | Self::SizeLimitReached(_) => self.platform_fields(),
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
            | Self::MessagesSearched { .. }
            | Self::MessagesExported { .. }
            | Self::MessagesPruned { .. }
            | Self::StoreCopied { .. }
            | Self::IndexRebuilt { .. }
            | Self::ResourcesRead(_) => self.message_fields(),
            Self::MessageResent { .. } | Self::CopyReplaced(_) | Self::CopyRenewed(_) => self.copy_fields(),
            Self::ReadRefused(_) | Self::ClientsChanged(_) | Self::PatientsLinked(_) => self.api_fields(),
            Self::SubscriptionsChanged(_) | Self::PartnerServed(_) | Self::Enrolment(_) => self.partner(),
            Self::TokenGranted(_) | Self::TokenRevoked(_) | Self::ContentRefused(_) => self.api_fields(),
            Self::AuthorizationDecided(_) => self.api_fields(),
            Self::PersonLoggedIn { .. } | Self::PersonLoggedOut(_) => self.person(),
            Self::DeviceAdded { .. }
            | Self::DeviceChanged { .. }
            | Self::DeviceSuspended { .. }
            | Self::DeviceResumed { .. }
            | Self::DeviceRemoved { .. }
            | Self::DeviceMerged { .. }
            | Self::DeviceLearningStarted { .. }
            | Self::DeviceLearningEnded { .. }
            | Self::DeviceIdentitiesForgotten { .. } => self.directory_fields(),
            Self::SouthboundQueued { .. } | Self::SouthboundSent { .. } | Self::SouthboundSettled { .. } => {
                self.order_fields()
            }
            Self::AuditExported { .. }
            | Self::AuditVerified { .. }
            | Self::AuditPruned { .. }
            | Self::AuditRowsLost(_)
            | Self::AuditDiverged { .. }
            | Self::AuditEndAccepted { .. }
            | Self::AuditFaultAccepted { .. }
            | Self::AuditSigned { .. } => self.trail_fields(),
        }
    }

    /// Hospital systems, and people who looked for more than they may see.
    fn api_fields(&self) -> Value {
        match self {
            Self::ContentRefused(RefusedLook { what, actor }) => json!({ "what": what, "actor": actor }),
            Self::ReadRefused(refused) => refused.fields(),
            Self::ClientsChanged(change) => change.fields(),
            Self::TokenGranted(granted) => granted.fields(),
            Self::TokenRevoked(revoked) => revoked.fields(),
            Self::AuthorizationDecided(decided) => decided.fields(),
            Self::PatientsLinked(link) => link.fields(),
            _ => Value::Null,
        }
    }

    /// Partners, and certificates that are asked for.
    fn partner(&self) -> Value {
        match self {
            Self::SubscriptionsChanged(change) => change.fields(),
            Self::PartnerServed(served) => served.fields(),
            Self::Enrolment(event) => event.fields(),
            _ => Value::Null,
        }
    }

    /// Sessions of people, and what they may not see.
    fn person(&self) -> Value {
        match self {
            Self::PersonLoggedIn { actor } => json!({ "actor": actor }),
            Self::PersonLoggedOut(Logout { why, actor }) => json!({ "why": why, "actor": actor }),
            _ => Value::Null,
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
            Self::ConfigurationChanged { keys, new_sessions, restart, by } => with_person(
                json!({
                    "keys": keys,
                    "new-sessions": new_sessions,
                    "restart": restart,
                    "by": by.code(),
                }),
                by,
            ),
            Self::ConfigurationRefused { fault, keys, by } => {
                with_person(json!({ "fault": fault.code(), "keys": keys, "by": by.code() }), by)
            }
            Self::CertificatesChanged { old, new } => {
                let fields = |all: &[Installed]| all.iter().map(Installed::fields).collect::<Vec<_>>();
                json!({ "old": fields(old), "new": fields(new) })
            }
            Self::ClockUnconfirmed { clock, expected } => {
                json!({ "clock": clock.to_string(), "expected": expected.to_string() })
            }
            Self::SizeLimitReached(SizeLimit { kind, bytes, limit, before }) => json!({
                "kind": kind.name(),
                "bytes": bytes,
                "limit": limit,
                "before": before.to_string(),
            }),
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
            Self::ConnectionAccepted { session, peer, balancer, device, certificate, revocation } => {
                let mut fields = json!({
                    "session": session.to_string(),
                    "peer": peer.to_string(),
                    "device": device.as_str(),
                    "certificate": certificate.fields(),
                    "revocation": revocation.iter().map(CertificateStatus::fields).collect::<Vec<_>>(),
                });
                if let (Some(fields), Some(balancer)) = (fields.as_object_mut(), balancer) {
                    fields.insert("balancer".to_owned(), balancer.to_string().into());
                }
                fields
            }
            Self::ConnectionRefused { peer, balancer, refusal, certificate, extension, revocation } => {
                let mut fields = Map::new();
                fields.insert("peer".to_owned(), peer.to_string().into());
                if let Some(balancer) = balancer {
                    fields.insert("balancer".to_owned(), balancer.to_string().into());
                }
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
            Self::MessageAccepted { message, session, device, digest, large } => {
                let mut fields = Map::new();
                fields.insert("message".to_owned(), message.to_string().into());
                fields.insert("session".to_owned(), session.to_string().into());
                fields.insert("device".to_owned(), device.as_str().into());
                fields.insert("sha256".to_owned(), digest.to_string().into());
                if *large {
                    fields.insert("large".to_owned(), true.into());
                }
                fields.into()
            }
            Self::MessageRejected { message, session, device, digest, code } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
                "sha256": digest.to_string(),
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
            Self::MessageReconsidered { .. } => self.reconsidered_fields(),
            Self::MessageViewed { message, device, viewed_as, actor, reason } => {
                let mut fields = Map::new();
                fields.insert("message".to_owned(), message.to_string().into());
                fields.insert("device".to_owned(), device.as_str().into());
                fields.insert("as".to_owned(), viewed_as.code().into());
                fields.insert("actor".to_owned(), actor.as_str().into());
                if let Some(reason) = reason {
                    fields.insert("reason".to_owned(), reason.as_str().into());
                }
                fields.into()
            }
            Self::MessagesSearched(search) => search.fields(),
            Self::MessagesExported { selection, actor } => {
                json!({ "selection": selection.fields(), "actor": actor })
            }
            Self::MessagesPruned { removed, orders, permit } => pruned_fields(removed, *orders, permit),
            Self::StoreCopied { actor } | Self::IndexRebuilt { actor } => json!({ "actor": actor }),
            Self::ResourcesRead(read) => read.fields(),
            _ => Value::Null,
        }
    }

    /// A rejected message that was accepted later.
    fn reconsidered_fields(&self) -> Value {
        let Self::MessageReconsidered { message, original, received_at, device, digest, rejection, actor } =
            self
        else {
            return Value::Null;
        };
        json!({
            "message": message.to_string(),
            "original": original.to_string(),
            "received-at": received_at.to_string(),
            "device": device.as_str(),
            "sha256": digest.to_string(),
            "rejection": rejection,
            "actor": actor,
        })
    }

    /// An entry of the device directory, as it was added or changed.
    fn entry_fields(&self) -> Value {
        let (Self::DeviceAdded { entry, actor } | Self::DeviceChanged { entry, actor }) = self else {
            return Value::Null;
        };
        let mut fields = json!({
            "device": entry.id.as_str(),
            "kind": entry.kind.as_str(),
            "speaks-for": entry.speaks_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "issuers": entry.issuers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "acknowledge": entry.acknowledge.as_str(),
            "silent-after": entry.silent_after.map(|after| after.to_string()),
            "expected": entry.expected,
            "actor": actor,
        });
        if let Some(fields) = fields.as_object_mut() {
            if matches!(self, Self::DeviceAdded { .. }) {
                fields.insert("status".to_owned(), entry.status.as_str().into());
            }
            if !entry.receives_orders {
                fields.insert("receives-orders".to_owned(), false.into());
            }
            let known = entry.about.fields().into_iter().filter(|(_, text)| !text.is_empty());
            fields.extend(known.map(|(name, text)| (name.to_owned(), text.into())));
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
            Self::DeviceIdentitiesForgotten { device, identity, actor } => json!({
                "device": device.as_str(),
                "identity": identity,
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
            Self::AuditRowsLost(LostRows { count, first, last }) => json!({
                "count": count,
                "first": first.to_string(),
                "last": last.to_string(),
            }),
            Self::AuditDiverged { finding, node, remembered, found } => {
                let remembered = remembered.map(|head| head.to_string());
                let mut fields = json!({
                    "finding": finding.code(),
                    "remembered": remembered,
                    "found": found.to_string(),
                });
                if let (Some(fields), Some(node)) = (fields.as_object_mut(), node) {
                    fields.insert("node".to_owned(), node.as_str().into());
                }
                fields
            }
            Self::AuditEndAccepted { remembered, found, actor } => json!({
                "remembered": remembered.to_string(),
                "found": found.to_string(),
                "actor": actor,
            }),
            Self::AuditFaultAccepted { acceptance, actor } => acceptance_fields(acceptance, actor),
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

/// The fields of a reload, with the person who asked for it.
fn with_person(mut fields: Value, by: &ReloadedBy) -> Value {
    if let (Some(fields), Some(person)) = (fields.as_object_mut(), by.person()) {
        fields.insert("person".to_owned(), person.into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Fingerprint, MessageId, SessionId};

    #[test]
    fn what_is_written_without_a_tree_is_the_same_text() {
        let now = Clock::system().now();
        let (message, session) = (MessageId::at(now), SessionId::at(now));
        for name in ["PUMP-1", r#"a"b\c"#, "Bett 7 \u{fc}ber", "<&>/"] {
            let device: DeviceId = name.parse().unwrap();
            let digest = Fingerprint::sha256(b"MSH|");
            for large in [false, true] {
                let device = device.clone();
                let event = Event::MessageAccepted { message, session, device, digest, large };
                assert_eq!(event.details(), event.fields().to_string());
            }
        }
    }
}
