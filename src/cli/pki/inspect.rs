//! `pki inspect`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::folder::read;
use crate::cli::text::printable;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::{Clock, DeviceId, hexadecimal};
use crate::revocation::CertStatus;
use crate::revocation::ocsp::{BasicResponse, Responder, ResponseStatus, SingleResponse};
use crate::x509::pem::{self, Item};
use crate::x509::{
    CertificateFacts, CrlFacts, DistinguishedName, Extensions, NameError, RequestFacts, RevokedEntry, Serial,
    expiry_text,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Certificates, CRLs or certificate requests in PEM or DER, or OCSP responses in DER
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The content of one certificate, CRL, request or OCSP response: a line per fact in text, a member per fact
/// in JSON.
#[derive(Debug)]
pub(super) struct Sheet(Vec<(&'static str, Value)>);

pub(super) fn run(arguments: &Arguments, output: Output, clock: &Clock) -> Outcome {
    for file in &arguments.files {
        for sheet in sheets(file, clock.now())? {
            output.print(&sheet, Sheet::text)?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn sheets(file: &Path, now: Timestamp) -> Result<Vec<Sheet>, Failure> {
    let name = file.display();
    let contents = read(file)?;
    if let Ok(response) = BasicResponse::read(&contents) {
        let mut sheet = Sheet(vec![("file", json!(name.to_string()))]);
        sheet.ocsp(response, now);
        return Ok(vec![sheet]);
    }
    let items = pem::items(&contents).with_context(|| name.to_string())?;
    if items.is_empty() {
        return Err(anyhow::anyhow!(
            "{name} holds no certificate, CRL or certificate request in PEM or DER, and no OCSP response"
        )
        .into());
    }
    let mut sheets = Vec::with_capacity(items.len());
    for (item, number) in items.iter().zip(1_usize..) {
        let mut sheet = Sheet(vec![("file", json!(name.to_string()))]);
        sheet.describe(item, now).with_context(|| format!("{name}, number {number}"))?;
        sheets.push(sheet);
    }
    Ok(sheets)
}

impl Sheet {
    fn describe(&mut self, item: &Item, now: Timestamp) -> anyhow::Result<()> {
        match item {
            Item::Certificate(der) => self.certificate(&CertificateFacts::read(der)?, now),
            Item::Crl(der) => self.crl(&CrlFacts::read(der)?, now),
            Item::Request(der) => self.request(&RequestFacts::read(der)?),
        }
        Ok(())
    }

    fn certificate(&mut self, facts: &CertificateFacts, now: Timestamp) {
        self.add("kind", "certificate");
        self.add("subject", facts.subject.to_string());
        if !facts.is_ca {
            self.device(facts.device_id());
        }
        self.add("issuer", facts.issuer.to_string());
        self.add("serial", facts.serial.to_string());
        self.add("not-before", facts.not_before.to_string());
        self.add("not-after", expiry_text(facts.not_after));
        self.add(
            "validity",
            if facts.is_valid_at(now) {
                "valid"
            } else if now < facts.not_before {
                "not yet valid"
            } else {
                "expired"
            },
        );
        self.add("key", facts.key.to_string());
        self.add("key-sha256", facts.public_key.hash().to_string());
        self.add("signature", facts.signature_algorithm.to_string());
        self.extensions(&facts.extensions);
        self.add("fingerprint", facts.fingerprint.to_string());
    }

    fn crl(&mut self, facts: &CrlFacts, now: Timestamp) {
        self.add("kind", "crl");
        self.add("issuer", facts.issuer.to_string());
        self.add("this-update", facts.this_update.to_string());
        self.maybe("next-update", facts.next_update.map(expiry_text));
        let fresh = facts.this_update <= now && facts.next_update.is_none_or(|next| now < next);
        self.add("validity", if fresh { "fresh" } else { "stale" });
        self.maybe("number", facts.number.as_deref().map(hexadecimal::encode));
        self.add("signature", facts.signature_algorithm.to_string());
        self.maybe("authority-key-id", facts.authority_key_id.as_deref().map(hexadecimal::encode));
        let revoked: Vec<Value> = facts.revoked.iter().map(entry).collect();
        self.add("revoked", revoked);
    }

    /// The issuer is not at hand, so the signature is not verified.
    fn ocsp(&mut self, response: Result<BasicResponse<'_>, ResponseStatus>, now: Timestamp) {
        self.add("kind", "ocsp-response");
        let basic = match response {
            Ok(basic) => basic,
            Err(status) => return self.add("status", status.name()),
        };
        self.add("status", "successful");
        self.add(
            "responder",
            match basic.responder {
                Responder::Name(name) => DistinguishedName::read(name)
                    .map_or_else(|| hexadecimal::encode(name), |name| name.to_string()),
                Responder::KeyHash(hash) => format!("key {}", hexadecimal::encode(hash)),
            },
        );
        self.add("produced-at", basic.produced_at.to_string());
        self.maybe("signature", basic.signed.signature_algorithm().map(|algorithm| algorithm.to_string()));
        self.maybe("nonce", basic.nonce.map(hexadecimal::encode));
        let signers = basic.certificates.iter().filter_map(|der| CertificateFacts::read(der).ok());
        self.list("certificates", &signers.map(|facts| facts.subject.to_string()).collect::<Vec<_>>());
        let responses: Vec<Value> =
            basic.responses().unwrap_or_default().iter().map(|single| answer(single, now)).collect();
        self.add("responses", responses);
    }

    fn request(&mut self, facts: &RequestFacts) {
        self.add("kind", "certificate-request");
        self.add("subject", facts.subject.to_string());
        self.device(facts.subject.device_id());
        self.add("key", facts.key.to_string());
        self.add("signature", facts.signature_algorithm.to_string());
        self.extensions(&facts.extensions);
    }

    /// Only a client certificate must name a device: a subject without one is not a fault.
    fn device(&mut self, id: Result<DeviceId, NameError>) {
        self.add("device", id.map_or_else(|error| format!("none: {error}"), |id| id.to_string()));
    }

    fn extensions(&mut self, extensions: &Extensions) {
        self.add("ca", extensions.is_ca);
        self.maybe("path-length", extensions.path_length);
        self.maybe("key-usage", extensions.key_usage.map(|usage| usage.to_string()));
        self.list("purposes", &extensions.purposes);
        self.list("dns-names", &extensions.dns_names);
        self.list("ip-addresses", &extensions.ip_addresses);
        self.list("ocsp-urls", &extensions.ocsp_urls);
        self.list("crl-urls", &extensions.crl_urls().collect::<Vec<_>>());
        self.add("must-staple", extensions.must_staple);
        self.maybe("subject-key-id", extensions.subject_key_id.as_deref().map(hexadecimal::encode));
        self.maybe("authority-key-id", extensions.authority_key_id.as_deref().map(hexadecimal::encode));
    }

    fn add(&mut self, label: &'static str, value: impl Into<Value>) {
        self.0.push((label, value.into()));
    }

    fn maybe(&mut self, label: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }

    fn list(&mut self, label: &'static str, values: &[impl ToString]) {
        if !values.is_empty() {
            self.add(label, values.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
    }

    /// A line per fact, then an empty line.
    pub(super) fn text(&self) -> String {
        let rows =
            self.0.iter().map(|(label, value)| format!("{:18}{}\n", label.replace('-', " "), words(value)));
        rows.collect()
    }
}

impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (label, value) in &self.0 {
            map.serialize_entry(label, value)?;
        }
        map.end()
    }
}

fn entry(entry: &RevokedEntry) -> Value {
    json!({
        "serial": entry.serial.to_string(),
        "revoked-at": entry.revoked_at.to_string(),
        "reason": entry.reason.map_or("unspecified", reason),
    })
}

/// The status of one certificate. Text prints the members in the order of their names.
fn answer(single: &SingleResponse, now: Timestamp) -> Value {
    let status = match single.status {
        CertStatus::Good => "good".to_owned(),
        CertStatus::Unknown => "unknown".to_owned(),
        CertStatus::Revoked { when, reason: code } => {
            format!("revoked at {when} ({})", code.map_or("unspecified", reason))
        }
    };
    let fresh = single.this_update <= now && single.next_update.is_none_or(|next| now < next);
    let until = single
        .next_update
        .map_or_else(|| "no next update".to_owned(), |next| format!("until {}", expiry_text(next)));
    json!({
        "serial": Serial::from_octets(&single.id.serial).to_string(),
        "status": status,
        "this-update": format!("from {}", single.this_update),
        "until": until,
        "validity": if fresh { "fresh" } else { "stale" },
    })
}

/// RFC 5280 5.3.1.
const fn reason(code: u8) -> &'static str {
    match code {
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => "unspecified",
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        // Names and URLs of a certificate may contain control characters.
        Value::String(text) => printable(text),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        // A line for each entry: a CRL may have many.
        Value::Array(values) if values.iter().all(Value::is_object) => {
            values.iter().map(|value| format!("\n  {}", words(value))).collect()
        }
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(members) => members.values().map(words).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
