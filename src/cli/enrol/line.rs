//! An enrolment, as it is printed.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::Output;
use crate::cli::text::{column, paragraph};
use crate::enrol::{Enrolment, InvitedDevice};

/// An enrolment, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Line<'a> {
    id: &'a str,
    role: &'static str,
    name: &'a str,
    environment: &'a str,
    /// `expired` where the code was not used in time.
    state: &'static str,
    invited_at: String,
    invited_by: &'a str,
    expires: String,
    /// Wrong codes.
    failed: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<&'a str>,
    /// Each alternative name, with its kind: of the certificate, or of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternative_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renews: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a InvitedDevice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateLine<'a>>,
    /// What is left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'static str>,
    /// A new code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// Where the request is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

#[derive(Debug, Serialize)]
struct RequestLine<'a> {
    at: String,
    peer: String,
    subject: &'a str,
    /// SHA-256 of the public key.
    key: String,
}

#[derive(Debug, Serialize)]
struct DecisionLine<'a> {
    at: String,
    by: &'a str,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct CertificateLine<'a> {
    fingerprint: String,
    ends: String,
    /// The certificate and its CAs, PEM.
    chain: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn new(enrolment: &'a Enrolment, now: Timestamp) -> Self {
        let record = &enrolment.record;
        Self {
            id: enrolment.id.as_str(),
            role: record.role.as_str(),
            name: &record.name,
            environment: &record.environment,
            state: if enrolment.has_expired(now) { "expired" } else { enrolment.state.as_str() },
            invited_at: record.invitation.at.to_string(),
            invited_by: &record.invitation.by,
            expires: record.invitation.expires.to_string(),
            failed: enrolment.failed,
            reader: record.reader.as_deref(),
            alternative_names: record
                .alternative_names()
                .unwrap_or_else(|| record.uris.iter().map(|uri| format!("URI:{uri}")).collect()),
            renews: record.renews.map(|renews| renews.to_string()),
            device: record.device.as_ref(),
            request: record.request.as_ref().map(|request| RequestLine {
                at: request.at.to_string(),
                peer: request.peer.to_string(),
                subject: &request.subject,
                key: request.key.to_string(),
            }),
            decision: record.decision.as_ref().map(|decision| DecisionLine {
                at: decision.at.to_string(),
                by: &decision.by,
                reason: &decision.reason,
            }),
            certificate: record.certificate.as_ref().map(|own| CertificateLine {
                fingerprint: own.fingerprint.to_string(),
                ends: own.ends.to_string(),
                chain: &own.chain,
            }),
            next_step: None,
            code: None,
            address: None,
        }
    }

    /// Another CA has issued the certificate that is revoked.
    pub(super) fn with_foreign_ca(self) -> Self {
        Self { next_step: Some("let its CA revoke it too: others than this platform ask the CA"), ..self }
    }

    pub(super) fn with_code(self, code: &'a str, base_url: &str) -> Self {
        Self { code: Some(code), address: Some(format!("{base_url}/.well-known/est/simpleenroll")), ..self }
    }

    /// One line.
    pub(super) fn short(&self, output: Output) -> String {
        let subject = self.request.as_ref().map_or("", |request| request.subject);
        let at = output.time(&self.invited_at);
        let columns = [self.id, self.state, self.role, self.name, subject].map(column);
        format!("{at}  {}", columns.join("  ")).trim_end().to_owned()
    }

    /// Everything.
    pub(super) fn whole(&self, output: Output) -> String {
        let time = |text: &str| output.time(text);
        let own = |device: &InvitedDevice| {
            let parts = [&device.name, &device.ward, &device.model, &device.serial, &device.owner];
            parts
                .map(String::as_str)
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let request = self.request.as_ref();
        let decision = self.decision.as_ref();
        let certificate = self.certificate.as_ref();
        paragraph(&[
            ("id", self.id.to_owned()),
            ("state", self.state.to_owned()),
            ("role", self.role.to_owned()),
            ("name", self.name.to_owned()),
            ("environment", self.environment.to_owned()),
            ("invited", format!("{} by {}", time(&self.invited_at), self.invited_by)),
            ("code until", time(&self.expires)),
            ("device", self.device.map(own).unwrap_or_default()),
            ("reader", text(self.reader)),
            ("renews", self.renews.clone().unwrap_or_default()),
            (
                "requested",
                request.map(|own| format!("{} from {}", time(&own.at), own.peer)).unwrap_or_default(),
            ),
            ("subject", text(request.map(|own| own.subject))),
            ("key", request.map(|own| own.key.clone()).unwrap_or_default()),
            ("decided", decision.map(|own| format!("{} by {}", time(&own.at), own.by)).unwrap_or_default()),
            ("reason", text(decision.map(|own| own.reason))),
            ("certificate", certificate.map(|own| own.fingerprint.clone()).unwrap_or_default()),
            ("ends", certificate.map(|own| time(&own.ends)).unwrap_or_default()),
            ("to do", text(self.next_step)),
            ("address", self.address.clone().unwrap_or_default()),
            ("code", text(self.code)),
        ])
    }
}
